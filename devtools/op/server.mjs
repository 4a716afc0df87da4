// Development and test OpenID provider shaped like EGI Check-in. Never for production: it asks for no password.
import http from 'node:http';
import { Provider } from 'oidc-provider';
import { configuration } from './configuration.mjs';
import { Faults, mint } from './faults.mjs';
import { Clients, People } from './files.mjs';
import { KeyRing } from './keys.mjs';
import { page, signIn } from './pages.mjs';
import { routes, settings } from './settings.mjs';

const keys = new KeyRing(settings.keysFile);
const people = new People(settings.usersFile);
const clients = new Clients(settings.clientsFile);
const faults = new Faults();

// Clients and keys are fixed in a Provider, so a change to either needs a new one. Sessions outlive it.
let provider; let builtFrom;
function currentProvider() {
  const wanted = `${clients.version} ${keys.current.kid}`;
  if (wanted !== builtFrom) {
    provider = new Provider(settings.issuer, configuration({ keys, people, clients }));
    provider.on('server_error', (ctx, error) => console.error(error));
    builtFrom = wanted;
  }
  return provider;
}

async function bodyOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function sendJson(response, status, value, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

function sendPage(response, status, html) {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' }).end(html);
}

const admin = {
  'POST /_admin/rotate': () => { keys.rotate(); return { kids: keys.keys.map((key) => key.kid) }; },
  'POST /_admin/fault': (body) => { faults.set(body); return body; },
  'DELETE /_admin/fault': () => { faults.clear(); return {}; },
  'POST /_admin/people': (body) => { people.add(body); return body; },
  'POST /_admin/clients': (body) => { clients.add(body); currentProvider(); return body; },
  'POST /_admin/token': async (body) => ({ access_token: await mint(body, keys) }),
};

async function administer(request, response) {
  const action = admin[`${request.method} ${request.url}`];
  if (!action) return sendJson(response, 404, { known: Object.keys(admin) });
  try {
    const body = await bodyOf(request);
    return sendJson(response, 200, await action(body ? JSON.parse(body) : {}));
  } catch (error) {
    return sendJson(response, 400, { error: error.message });
  }
}

async function interact(request, response) {
  const op = currentProvider();
  const { params, prompt } = await op.interactionDetails(request, response);
  // Clients at loopback addresses count as native, and are asked about even when everything is granted.
  if (prompt.name === 'consent') return op.interactionFinished(request, response, { consent: {} }, { mergeWithLastSubmission: true });
  const show = (status, problem) => sendPage(response, status, signIn(people.all(), params.client_id, problem));
  if (request.method !== 'POST') return show(200);
  const form = new URLSearchParams(await bodyOf(request));
  if (form.has('cancel')) {
    return op.interactionFinished(request, response, { error: 'access_denied', error_description: 'the user gave up' });
  }
  const person = people.byLogin((form.get('login') ?? '').trim());
  if (!person) return show(401, 'Nobody goes by that name here.');
  return op.interactionFinished(request, response, { login: { accountId: person.sub } });
}

// Keycloak takes its own JWT access tokens at userinfo and introspection; oidc-provider does not.
async function userinfo(request, response) {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /i, '');
  try {
    const claims = await keys.verify(token, settings.issuer);
    sendJson(response, 200, people.claims(claims.sub) ?? { sub: claims.sub, preferred_username: claims.preferred_username });
  } catch {
    sendJson(response, 401, { error: 'invalid_token' }, { 'www-authenticate': 'Bearer error="invalid_token"' });
  }
}

async function introspect(request, response) {
  const form = new URLSearchParams(await bodyOf(request));
  const basic = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /i, ''), 'base64').toString();
  const [id, secret] = basic ? basic.split(':').map(decodeURIComponent) : [form.get('client_id'), form.get('client_secret')];
  const client = clients.find(id);
  if (!client?.client_secret || client.client_secret !== secret) return sendJson(response, 401, { error: 'invalid_client' });
  try {
    const claims = await keys.verify(form.get('token') ?? '', settings.issuer);
    return sendJson(response, 200, { active: true, token_type: 'Bearer', username: claims.preferred_username, ...claims });
  } catch {
    return sendJson(response, 200, { active: false });
  }
}

async function serve(request, response) {
  const path = request.url.split('?')[0];
  if (path.startsWith('/_admin/')) return administer(request, response);
  if (!path.startsWith(`${settings.base}/`)) return sendPage(response, 404, page('Nothing here', `<p>The issuer is ${settings.issuer}</p>`));
  const inRealm = path.slice(settings.base.length);
  if (faults.apply(inRealm, response, keys)) return undefined;
  if (inRealm === routes.userinfo) return userinfo(request, response);
  if (inRealm === routes.introspection && request.method === 'POST') return introspect(request, response);
  if (inRealm.startsWith('/interaction/')) return interact(request, response);
  request.originalUrl = request.url; // lets the provider know the prefix that is cut off here
  request.url = request.url.slice(settings.base.length);
  return currentProvider().callback()(request, response);
}

const server = http.createServer((request, response) => {
  serve(request, response).catch((error) => {
    console.error(error);
    if (!response.headersSent) sendPage(response, 400, page('That did not work', '<p>The sign-in may have timed out. Start again.</p>'));
  });
});
server.listen(settings.port, '127.0.0.1', () => {
  currentProvider();
  console.log(`serving ${settings.issuer}`);
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
