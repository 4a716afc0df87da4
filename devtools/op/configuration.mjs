// How oidc-provider is told to look like EGI Check-in: Keycloak's paths, its tokens, its claims.
import { routes, settings } from './settings.mjs';
import * as pages from './pages.mjs';

const SCOPES = ['openid', 'email', 'profile', 'offline_access', 'voperson_id', 'eduperson_entitlement', 'entitlements'];
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

// What a client of each kind may do. A loopback redirect address may name any port: tests choose theirs late.
const KINDS = {
  portal: { application_type: 'native', grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'client_secret_post' },
  service: { redirect_uris: [], response_types: [], grant_types: ['client_credentials'], token_endpoint_auth_method: 'client_secret_basic' },
  device: { redirect_uris: [], response_types: [], grant_types: [DEVICE, 'refresh_token'], token_endpoint_auth_method: 'none' },
};

export function metadata({ kind, audience, subject, ...rest }) {
  if (!KINDS[kind]) throw new Error(`client ${rest.client_id}: kind must be one of ${Object.keys(KINDS)}`);
  return { ...KINDS[kind], ...rest };
}

const serviceSubject = (client) => client.subject ?? `service-account-${client.client_id}@egi.eu`;

function shapeAccessToken({ people, clients }) {
  return (ctx, token, jwt) => {
    jwt.header = { typ: 'JWT' };
    Object.assign(jwt.payload, { typ: 'Bearer', azp: token.clientId });
    const client = clients.find(token.clientId);
    if (client?.audience) jwt.payload.aud = client.audience;
    if (token.kind === 'ClientCredentials') {
      const name = `service-account-${token.clientId}`;
      Object.assign(jwt.payload, { sub: serviceSubject(client), client_id: token.clientId, preferred_username: name });
    } else {
      delete jwt.payload.client_id; // Keycloak names the client of a person's token in azp alone
      const { eduperson_entitlement, entitlements } = people.claims(jwt.payload.sub) ?? {};
      Object.assign(jwt.payload, { eduperson_entitlement, entitlements });
    }
  };
}

// No consent page: whatever is asked for is granted.
async function grantAll(ctx) {
  const { oidc } = ctx;
  const known = oidc.result?.consent?.grantId ?? oidc.session.grantIdFor(oidc.client.clientId);
  if (known) return oidc.provider.Grant.find(known);
  const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
  grant.addOIDCScope(SCOPES.join(' '));
  grant.addResourceScope(settings.audience, SCOPES.join(' '));
  await grant.save();
  return grant;
}

const resource = () => ({
  scope: SCOPES.join(' '),
  audience: settings.audience,
  accessTokenTTL: settings.tokenSeconds,
  accessTokenFormat: 'jwt',
  jwt: { sign: { alg: 'RS256' } },
});

export function configuration({ keys, people, clients }) {
  return {
    clients: [...new Map(clients.all().map((client) => [client.client_id, metadata(client)])).values()],
    jwks: { keys: keys.keys },
    routes,
    scopes: SCOPES,
    claims: {
      openid: ['sub'],
      email: ['email', 'email_verified'],
      profile: ['name', 'given_name', 'family_name', 'preferred_username'],
      voperson_id: ['voperson_id'],
      eduperson_entitlement: ['eduperson_entitlement'],
      entitlements: ['entitlements'],
    },
    conformIdTokenClaims: false,
    pkce: { required: (ctx, client) => client.responseTypes.length > 0 },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      userinfo: { enabled: true },
      deviceFlow: { enabled: true, userCodeInputSource: pages.deviceCode, userCodeConfirmSource: pages.deviceConfirm, successSource: pages.deviceDone },
      rpInitiatedLogout: { enabled: true, logoutSource: pages.logout, postLogoutSuccessSource: pages.loggedOut },
      resourceIndicators: { enabled: true, defaultResource: () => settings.audience, useGrantedResource: () => true, getResourceServerInfo: resource },
    },
    formats: { customizers: { jwt: shapeAccessToken({ people, clients }) } },
    findAccount: (ctx, id) => people.bySub(id) && { accountId: id, claims: () => people.claims(id) },
    loadExistingGrant: grantAll,
    interactions: { url: (ctx, interaction) => `${settings.base}/interaction/${interaction.uid}` },
    cookies: { keys: ['development only'], names: { session: 'op_session', interaction: 'op_interaction', resume: 'op_resume' } },
    ttl: { Session: 8 * 3600, Grant: 86400, Interaction: 3600, IdToken: 3600, AccessToken: settings.tokenSeconds, ClientCredentials: settings.tokenSeconds, DeviceCode: 600, RefreshToken: 86400 },
    renderError: pages.failure,
  };
}
