// The few pages of the provider: plain, self-contained, usable from the keyboard.
import { settings } from './settings.mjs';

const STYLE = `
:root { color-scheme: light dark; --ink: #1b2330; --mute: #55606f; --line: #d5dae2; --card: #fff; --back: #f3f5f8; --accent: #1d4f91; --on-accent: #fff; --bad: #a3182b }
@media (prefers-color-scheme: dark) { :root { --ink: #eef1f6; --mute: #aab4c3; --line: #3a4352; --card: #1d232d; --back: #13171e; --accent: #8fbcf5; --on-accent: #10151c; --bad: #ff9aa5 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 30rem; margin: 3rem auto; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 1rem }
h1 { font-size: 1.4rem; margin: 0 0 .25rem } h2 { font-size: 1rem; margin: 1.5rem 0 .5rem }
p { margin: .25rem 0 1rem; color: var(--mute) }
[role=alert] { color: var(--bad); font-weight: 600 }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem }
button, input { font: inherit; min-height: 2.75rem; border-radius: .6rem; border: 1px solid var(--line); padding: .5rem .9rem; color: inherit; background: transparent }
button { cursor: pointer } button:hover { border-color: var(--accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.person { width: 100%; text-align: left } .person span { display: block; color: var(--mute); font-size: .875rem }
.main { background: var(--accent); color: var(--on-accent); border-color: var(--accent); font-weight: 600 }
.row { display: flex; gap: .5rem; flex-wrap: wrap; align-items: end } label { display: grid; gap: .25rem; flex: 1 }
pre { white-space: pre-wrap; color: var(--mute) }`;

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

export const page = (title, body) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)} - ${escape(settings.title)}</title><link rel="icon" href="data:,"><style>${STYLE}</style></head>
<body><main><h1>${escape(title)}</h1>${body}</main></body></html>`;

const person = ({ login, name, note }) =>
  `<li><button class="person" name="login" value="${escape(login)}">${escape(name ?? login)}<span>${escape(note ?? login)}</span></button></li>`;

export function signIn(people, clientName, problem) {
  const listed = people.filter((one) => one.listed !== false);
  return page('Sign in', `
<p>This is a development provider: no password, and nobody real. It continues to ${escape(clientName)}.</p>
${problem ? `<p role="alert">${escape(problem)}</p>` : ''}
${listed.length ? `<h2>Who are you?</h2><form method="post"><ul>${listed.map(person).join('')}</ul></form>` : ''}
<h2>Or by name</h2>
<form method="post"><div class="row"><label>User <input name="login" autocomplete="username" required></label><button class="main">Sign in</button></div></form>
<form method="post"><p></p><button name="cancel" value="yes">Cancel</button></form>`);
}

export function deviceCode(ctx, form, out, error) {
  const problem = error && '<p role="alert">That code was not accepted. Enter the code that your device shows.</p>';
  ctx.body = page('Connect a device', `${problem || '<p>Enter the code that your device shows.</p>'}${form}
<button class="main" type="submit" form="op.deviceInputForm">Continue</button>`);
}

export function deviceConfirm(ctx, form, client, device, code) {
  ctx.body = page('Connect a device', `<p>${escape(client.clientName ?? client.clientId)} asks to act for you. Its code must be ${escape(code)}.</p>${form}
<div class="row"><button class="main" autofocus type="submit" form="op.deviceConfirmForm">Continue</button>
<button type="submit" form="op.deviceConfirmForm" value="yes" name="abort">Stop</button></div>`);
}

export function deviceDone(ctx) {
  ctx.body = page('Connected', '<p>Your device is signed in. You can close this page.</p>');
}

export function logout(ctx, form) {
  ctx.body = page('Sign out', `<p>Leave the provider too? The next sign-in then asks who you are.</p>${form}
<div class="row"><button class="main" autofocus type="submit" form="op.logoutForm" value="yes" name="logout">Sign out</button>
<button type="submit" form="op.logoutForm">Stay signed in</button></div>`);
}

export function loggedOut(ctx) {
  ctx.body = page('Signed out', '<p>You can close this page.</p>');
}

export function failure(ctx, out) {
  ctx.type = 'html';
  ctx.body = page('That did not work', `<pre>${escape(JSON.stringify(out, null, 1))}</pre>`);
}
