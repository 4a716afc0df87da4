// What the environment says. The provider serves one realm, on loopback only.

const port = Number(process.env.PORT ?? 8601);
const issuer = process.env.OP_ISSUER ?? `http://127.0.0.1:${port}/auth/realms/egi`;
const protocol = '/protocol/openid-connect'; // Keycloak's, which EGI Check-in runs on

export const settings = {
  port,
  issuer,
  base: new URL(issuer).pathname,
  title: process.env.OP_TITLE ?? 'Development Check-in',
  audience: process.env.OP_AUDIENCE ?? 'urn:openeo:credits',
  tokenSeconds: Number(process.env.OP_TOKEN_SECONDS ?? 3600),
  usersFile: process.env.OP_USERS,
  clientsFile: process.env.OP_CLIENTS,
  keysFile: process.env.OP_KEYS,
};

export const routes = {
  authorization: `${protocol}/auth`,
  token: `${protocol}/token`,
  userinfo: `${protocol}/userinfo`,
  jwks: `${protocol}/certs`,
  introspection: `${protocol}/token/introspect`,
  device_authorization: `${protocol}/auth/device`,
  code_verification: '/device',
  end_session: `${protocol}/logout`,
  revocation: `${protocol}/revoke`,
};
