// The front end of the scenario password-and-popup: static pages on their own origin. They have a form, whose script posts e-mail address and password to the
// gateway, and a button that signs in at the provider in a popup window. In both cases the page gets a token, keeps it for this tab, and sends it with
// every call. To start it by hand: PORT=9200 GATEWAY=http://localhost:10000 node password-front.mjs
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { html, page, trusted } from './page.mjs';

/** `port: 0` chooses a free port. Every path shows the same page. */
export async function startPasswordFront({ port = 9200, host = '127.0.0.1', gateway = 'http://localhost:10000' } = {}) {
  const document = site(gateway);
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy(document, gateway),
    // A page of another origin that opens this page gets no reference to its window; popups that this page opens can still post messages to it.
    'cross-origin-opener-policy': 'same-origin-allow-popups',
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  };
  const server = createServer((_, response) => response.writeHead(200, headers).end(document));
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

/** Only the script of this page can run, and it can call only the gateway. */
function policy(document, gateway) {
  const hashes = (tag) =>
    [...document.matchAll(new RegExp(`<${tag}>(.*?)</${tag}>`, 'gs'))]
      .map(([, content]) => `'sha256-${createHash('sha256').update(content).digest('base64')}'`)
      .join(' ');
  return [
    "default-src 'none'",
    `script-src ${hashes('script')}`,
    `style-src ${hashes('style')}`,
    'img-src data:',
    `connect-src ${gateway}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

const SCRIPT = trusted(`
  const element = (id) => document.getElementById(id);
  const gateway = element('gateway').textContent;
  // Kept for this tab only, until it is closed. Every script that runs in this page can read it; therefore the policy lets no other script run.
  const kept = { get: () => JSON.parse(sessionStorage.getItem('signed-in')), set: (value) => sessionStorage.setItem('signed-in', JSON.stringify(value)), clear: () => sessionStorage.clear() };

  function show(text, bad = false) { element('status').textContent = text; element('status').className = bad ? 'bad' : '' }

  function draw() {
    const signedIn = kept.get();
    element('signed-out').hidden = Boolean(signedIn);
    element('signed-in').hidden = element('sign-out').hidden = !signedIn;
    if (!signedIn) return;
    element('user').replaceChildren(...Object.entries(signedIn.user ?? {}).flatMap(([name, value]) => {
      const [dt, dd] = [document.createElement('dt'), document.createElement('dd')];
      [dt.textContent, dd.textContent] = [name, String(value)];
      return [dt, dd];
    }));
  }

  function enter({ token, user }) {
    kept.set({ token, user });
    element('answer').textContent = '';
    show('');
    draw();
  }

  function leave(text) {
    kept.clear();
    element('answer').textContent = '';
    draw();
    show(text);
  }

  const within = (seconds) => seconds > 90 ? 'in ' + Math.ceil(seconds / 60) + ' minutes' : seconds > 0 ? 'in ' + seconds + ' seconds' : 'later';

  /** The text of a refusal: the gateway's own words, or else what to do. */
  async function explain(response) {
    const body = await response.json().catch(() => ({}));
    if (response.status === 429) return 'Too many attempts. Please try again ' + within(Number(response.headers.get('retry-after'))) + '.';
    return body.message ?? body.detail ?? 'That did not work (' + response.status + ').';
  }

  // ── by password ──

  element('login').addEventListener('submit', async (event) => {
    event.preventDefault();
    const form = event.target, { email, password } = Object.fromEntries(new FormData(form));
    show('…');
    form.go.disabled = true;
    try {
      const response = await fetch(gateway + '/api/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email, password }) });
      form.password.value = '';
      if (response.ok) enter(await response.json()); else show(await explain(response), true);
    } catch { show('The gateway cannot be reached.', true) } finally { form.go.disabled = false }
  });

  // ── in a popup ──

  const SAID = { authorization_denied: 'The sign-in was cancelled.', account_missing: 'There is no account for you here.', email_unverified: 'Your e-mail address is not verified at the provider.' };

  element('popup').addEventListener('click', async ({ target: button }) => {
    // Opened before anything is awaited: browsers let a click open a window, but not code that runs later.
    const popup = open('', 'sign-in', 'popup,width=480,height=680');
    if (!popup) return show('The browser did not let this page open a window.', true);
    const done = new AbortController();
    const told = new Promise((tell) => {
      addEventListener('message', (event) => {
        // Any page can post to this one. Accept only messages of the gateway, and only from the popup.
        if (event.origin === gateway && event.source === popup) tell(event.data);
      }, { signal: done.signal });
      // Wait until the popup was found closed twice in a row: by then, a message that it had posted has arrived.
      let closed = 0;
      const watch = setInterval(() => { closed = popup.closed ? closed + 1 : 0; if (closed === 2) tell({ closed: true }) }, 400);
      done.signal.addEventListener('abort', () => clearInterval(watch));
    });
    show('Please sign in in the other window.');
    button.disabled = true;
    try {
      // With credentials, because the gateway keeps this sign-in in a cookie.
      const response = await fetch(gateway + '/api/auth/google/url', { credentials: 'include' });
      if (!response.ok) { popup.close(); return show(await explain(response), true) }
      popup.location = (await response.json()).authUrl;
      const { token, user, error, closed } = await told;
      if (token) enter({ token, user });
      else if (closed) show('The window was closed before the sign-in was done.');
      else show(SAID[error] ?? 'The sign-in did not work: ' + error, true);
    } catch { popup.close(); show('The gateway cannot be reached.', true) } finally { done.abort(); button.disabled = false }
  });

  // ── with the token ──

  async function call(path) {
    const headers = { authorization: 'Bearer ' + kept.get()?.token };
    let response;
    try { response = await fetch(gateway + path, { headers }) } catch { return show('The gateway cannot be reached.', true) }
    if (response.status === 401) return leave('Your sign-in is over. Please sign in again.');
    show(response.status === 403 ? 'You are signed in, but your account may not do this.' : '', response.status === 403);
    element('answer').textContent = response.status + ' ' + path + '\\n\\n' + await response.text();
  }

  element('sign-out').addEventListener('click', () => leave('You have signed out.'));
  document.querySelectorAll('[data-call]').forEach((button) => button.addEventListener('click', () => call(button.dataset.call)));
  draw();
`);

const CALLS = { '/api/headers': 'What the application is told', '/api/analytics': 'Analytics, for admins' };

const site = (gateway) =>
  page({
    title: 'Front end',
    header: html`<strong>Front end</strong><button id="sign-out" class="quiet" hidden>Sign out</button>`,
    body: html`<h1>A form, and a popup</h1>
    <p class="lead">This page is on one origin, the API on another: <code id="gateway">${gateway}</code>. Sign in by password as somebody whom the user service knows, or at the provider, in a window of its own.</p>
    <p id="status" role="status"></p>
    <div id="signed-out" class="card">
      <form id="login">
        <label>E-mail <input name="email" type="email" autocomplete="username" required></label>
        <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
        <p class="row"><button name="go">Sign in</button><button type="button" id="popup" class="quiet">Sign in with the provider</button></p>
      </form>
      <small>alice@example.com with alice-password is an admin, bob@example.com with bob-password a user. carol is known at the provider only: her first visit makes her an account, and she gets a letter.</small>
    </div>
    <div id="signed-in" class="card" hidden><dl id="user"></dl>
      <p class="row">${Object.entries(CALLS).map(([path, name]) => html`<button class="quiet" data-call="${path}">${name}</button>`)}</p></div>
    <pre id="answer" class="card"></pre>
    <script>${SCRIPT}</script>`,
  });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { PORT = 9200, GATEWAY } = process.env;
  const { port } = await startPasswordFront({ port: Number(PORT), gateway: GATEWAY });
  console.log(`front end: http://localhost:${port}`);
}
