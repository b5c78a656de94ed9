// The application behind the gateway, for the demo and the end-to-end tests. It has no code for authentication: the headers that the gateway sets say who
// sent a request, and the gateway decides what people may see. To start it by hand: PORT=9100 node app.mjs
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { html, page, trusted } from './page.mjs';

/** `port: 0` chooses a free port. `onRequest` is called for every request that arrives, including upgrades. */
export async function startApp({ port = 9100, host = '127.0.0.1', onRequest = () => {}, login = '/api/login', logout = '/api/logout' } = {}) {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 });
  sockets.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
    socket.on('error', () => socket.terminate());
  });

  const server = createServer((request, response) => {
    onRequest(request);
    answer(request, response).catch((error) => {
      console.error(error);
      if (response.headersSent) response.destroy();
      else send(response, 500, 'text/plain', 'The application failed.\n');
    });
  });
  server.paths = { login, logout };
  server.on('upgrade', (request, socket, head) => {
    onRequest(request);
    if (path(request) !== '/api/echo') return socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client));
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));

  return {
    url: `http://${host}:${server.address().port}`,
    server,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets.clients) socket.terminate();
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

const ROUTES = {
  '/': home,
  '/chat': chat,
  '/analytics': analytics,
  '/members': members,
  '/api/chat': answerChat,
  '/api/analytics': (request) => ({ user: who(request)?.login ?? null, visits: VISITS }),
  '/api/headers': (request) => ({ method: request.method, path: request.url, headers: headers(request) }),
};

async function answer(request, response) {
  const route = Object.hasOwn(ROUTES, path(request)) ? ROUTES[path(request)] : undefined;
  const body = route ? await route(request) : notFound(request);
  const status = route ? 200 : 404;
  if (typeof body === 'string') send(response, status, 'text/html; charset=utf-8', body);
  else send(response, status, 'application/json', `${JSON.stringify(body, null, 2)}\n`);
}

function send(response, status, type, body) {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin' });
  response.end(body);
}

const path = (request) => request.url.split('?', 1)[0];

/** The person that the gateway names; undefined for a visitor without a session. */
function who({ headers }) {
  const login = headers['x-forwarded-preferred-username'] ?? headers['x-forwarded-user'];
  if (login === undefined) return undefined;
  return {
    login: decoded(login),
    subject: decoded(headers['x-forwarded-user'] ?? ''),
    name: decoded(headers['x-forwarded-name'] ?? ''),
    picture: decoded(headers['x-forwarded-picture'] ?? ''),
    email: decoded(headers['x-forwarded-email'] ?? ''),
    groups: (headers['x-forwarded-groups'] ?? '').split(',').filter(Boolean).map(decoded),
  };
}

/** Decodes a header's value: the gateway percent-encodes the characters that a header cannot contain. */
function decoded(value) {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

/** All headers of a request, by name; a header that came more than once is a list. */
function headers({ rawHeaders }) {
  const all = Object.create(null);
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index].toLowerCase(),
      value = rawHeaders[index + 1];
    all[name] = name in all ? [all[name], value].flat() : value;
  }
  return all;
}

// ── pages ──

const PAGES = { '/': 'Home', '/chat': 'Chat', '/analytics': 'Analytics', '/members': 'Members', '/api/headers': 'Headers' };

function site(request, title, body) {
  const here = path(request);
  const links = Object.entries(PAGES).map(([to, name]) => html`<a href="${to}" ${here === to ? trusted('aria-current="page"') : ''}>${name}</a>`);
  const visitor = who(request)
    ? html`<form method="post" action="${request.socket.server.paths.logout}"><button class="quiet">Sign out</button></form>`
    : html`<a class="button" href="${request.socket.server.paths.login}?return_to=${encodeURIComponent(here)}">Sign in</a>`;
  return page({ title, header: html`<strong>Sample application</strong><nav>${links}</nav>${visitor}`, body });
}

function home(request) {
  const user = who(request);
  return site(
    request,
    'Sample application',
    html`
    <h1>${user ? `Hello, ${user.login}` : 'Hello'}</h1>
    <p class="lead">Everything here goes through an Envoy with Accredit in it. This application knows nothing about signing in.</p>
    <div class="card">${user ? identity(user) : 'You are not signed in. This page is public; most of the others will ask who you are.'}</div>`,
  );
}

const identity = (user) => html`<dl>
  <dt>Subject</dt><dd>${user.subject}</dd>
  <dt>User name</dt><dd>${user.login}</dd>
  ${user.name ? html`<dt>Name</dt><dd>${user.name}</dd><dt>Picture</dt><dd>${user.picture}</dd>` : ''}
  <dt>E-mail</dt><dd>${user.email || '–'}</dd>
  <dt>Groups</dt><dd>${user.groups.join(', ') || '–'}</dd></dl>`;

const VISITS = { Monday: 1204, Tuesday: 1377, Wednesday: 1311, Thursday: 1420, Friday: 1158 };

function analytics(request) {
  return site(
    request,
    'Analytics',
    html`
    <h1>Analytics</h1><p class="lead">For anybody who is signed in; you are <b>${who(request)?.login ?? 'nobody'}</b>.</p>
    <div class="card"><table><tr><th>Day</th><th>Visits</th></tr>
      ${Object.entries(VISITS).map(([day, visits]) => html`<tr><td>${day}</td><td>${visits.toLocaleString('en')}</td></tr>`)}</table></div>`,
  );
}

function members(request) {
  return site(
    request,
    'Members',
    html`
    <h1>Members</h1><p class="lead">For the group <b>oracle-ai-users</b> only.</p>
    <div class="card">${identity(who(request) ?? { groups: [] })}</div>`,
  );
}

const notFound = (request) =>
  path(request).startsWith('/api/')
    ? { error: 'not found' }
    : site(request, 'Not found', html`<h1>There is no such page</h1><p><a href="/">Back to the start</a></p>`);

async function answerChat(request) {
  const name = who(request)?.login ?? 'stranger';
  if (request.method !== 'POST') return { answer: `Hello ${name}, what can I do for you?` };
  let text = '';
  for await (const chunk of request) if ((text += chunk).length > 64 * 1024) break;
  let message;
  try {
    message = JSON.parse(text).message;
  } catch {
    /* answered below */
  }
  return { answer: typeof message === 'string' ? `You said: ${message}` : 'I understand {"message": "…"} only.' };
}

// The page is public, its API is not. The page shows what the API's answer allows.
const CHAT = trusted(`
  const status = document.querySelector('#status'), messages = document.querySelector('#messages'), form = document.querySelector('#chat');
  const show = (who, text) => { const p = document.createElement('p'), b = document.createElement('b'); b.textContent = who; p.append(b, text); messages.append(p) };

  async function ask(message) {
    const request = message === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ message }) };
    let response;
    try { response = await fetch('/api/chat', request) } catch { status.textContent = 'The gateway cannot be reached.'; return }
    form.hidden = !response.ok;
    if (response.ok) { status.textContent = ''; show('Answer', (await response.json()).answer); return }
    const problem = await response.json().catch(() => ({}));
    if (response.status === 401) {
      const link = Object.assign(document.createElement('a'), { className: 'button', id: 'sign-in', href: '/api/login?return_to=/chat', textContent: 'Sign in' });
      status.replaceChildren('The chat is for members. ', link);
    } else if (response.status === 403) {
      status.textContent = 'You are signed in, but your account may not use the chat: it is for the groups oracle-ai-users and oracle-ai-admins.';
      status.className = 'bad';
    } else {
      status.textContent = problem.detail || 'The chat is not available at the moment (' + response.status + ').';
    }
  }
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const message = form.message.value.trim();
    form.reset();
    if (message) { show('You', message); ask(message) }
  });
  // The gateway answers a script with JSON. If sign-out at the provider is configured, the answer has the address of the provider's page.
  document.querySelector('#sign-out')?.addEventListener('click', async () => {
    const response = await fetch('/api/logout', { method: 'POST' });
    const { end_session_url } = await response.json().catch(() => ({}));
    location.assign(end_session_url || '/chat');
  });
  ask();
`);

function chat(request) {
  return site(
    request,
    'Chat',
    html`
    <h1>Chat</h1><p class="lead">A public page; it calls <code>/api/chat</code>, which is for two groups.</p>
    <div class="card"><p id="status" role="status">…</p><div id="messages"></div>
      <form id="chat" class="row" hidden><input name="message" aria-label="Message" placeholder="Say something" autocomplete="off"><button>Send</button></form></div>
    ${who(request) ? html`<button id="sign-out" class="quiet">Sign out by script</button>` : ''}
    <script>${CHAT}</script>`,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startApp({ port: Number(process.env.PORT ?? 9100) });
  console.log(`application: ${url}`);
}
