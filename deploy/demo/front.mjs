// The front end of the scenario spa-tokens: static pages on their own origin. Its script asks the gateway where to sign in, brings the code back, keeps the
// access token in memory, and sends it with every call. To start it by hand: PORT=9200 GATEWAY=http://localhost:10000 node front.mjs
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { html, page, trusted } from './page.mjs';

/** `port: 0` chooses a free port. Every path shows the same page, including the callback's. */
export async function startFront({ port = 9200, host = '127.0.0.1', gateway = 'http://localhost:10000' } = {}) {
  const server = createServer((_, response) => {
    response.writeHead(200, {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    response.end(site(gateway));
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  return {
    port: server.address().port,
    server,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

const SCRIPT = trusted(`
  const gateway = document.querySelector('#gateway').textContent;
  const element = (id) => document.getElementById(id);
  let token; // only in memory: a reload forgets it, and no other script of this origin can read it

  const show = (text, bad = false) => { element('status').textContent = text; element('status').className = bad ? 'bad' : '' };
  const problem = async (response) => (await response.json().catch(() => ({}))).reason ?? 'status ' + response.status;

  /** Goes to the provider's page. The request has credentials because the gateway keeps this sign-in in a cookie. */
  async function signIn() {
    const response = await fetch(gateway + '/api/authorize', { credentials: 'include' });
    if (!response.ok) return show('No sign-in at the moment: ' + await problem(response), true);
    location.assign((await response.json()).authorize_url);
  }

  /** Handles the return from the provider with a code: first removes the code from the address bar, then exchanges it, once. */
  async function finish() {
    const { code, state, iss, error } = Object.fromEntries(new URLSearchParams(location.search));
    history.replaceState(null, '', '/');
    if (error) return show('The provider said: ' + error, true);
    const body = JSON.stringify({ code, state, iss });
    const response = await fetch(gateway + '/api/token', { method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' }, body });
    if (!response.ok) return show('The sign-in could not be finished: ' + await problem(response), true);
    const { access_token, expires_in } = await response.json();
    token = access_token;
    show('Signed in, for ' + Math.round(expires_in / 60) + ' minutes.');
    element('sign-in').hidden = true;
  }

  async function call(path) {
    const headers = token ? { authorization: 'Bearer ' + token } : {};
    let response;
    try { response = await fetch(gateway + path, { headers }) } catch { return show('The gateway cannot be reached.', true) }
    const text = await response.text();
    element('answer').textContent = response.status + ' ' + path + '\\n\\n' + text;
    if (response.status === 401) { token = undefined; element('sign-in').hidden = false; show('Please sign in.') }
    else if (response.status === 403) show('You are signed in, but your account may not do this.', true);
    else show('');
  }

  element('sign-in').addEventListener('click', signIn);
  document.querySelectorAll('[data-call]').forEach((button) => button.addEventListener('click', () => call(button.dataset.call)));
  if (location.pathname === '/auth/callback') finish(); else show('Nobody is signed in on this page.');
`);

const CALLS = { '/api/chat': 'Chat', '/api/analytics': 'Analytics', '/api/headers': 'Headers' };

const site = (gateway) =>
  page({
    title: 'Front end',
    header: html`<strong>Front end</strong><button id="sign-in">Sign in</button>`,
    body: html`<h1>A front end that keeps its own token</h1>
    <p class="lead">This page is on one origin, the API on another: <code id="gateway">${gateway}</code>. Call it without a token, sign in, and call it again. The chat is for the groups oracle-ai-users and oracle-ai-admins.</p>
    <div class="card"><p class="row">${Object.entries(CALLS).map(([path, name]) => html`<button class="quiet" data-call="${path}">${name}</button>`)}</p>
      <p id="status" role="status">…</p></div>
    <pre id="answer" class="card"></pre>
    <script>${SCRIPT}</script>`,
  });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { PORT = 9200, GATEWAY } = process.env;
  const { port } = await startFront({ port: Number(PORT), gateway: GATEWAY });
  console.log(`front end: http://localhost:${port}`);
}
