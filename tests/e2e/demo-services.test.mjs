// The parts of the demo that replace other people's systems, tested without a gateway: the user service, the mail service, and the front end with a form and a
// popup, in a real Chromium with a replacement of the gateway. Tests of the gateway rely on what is shown here.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { newPerson, startBrowser } from './lib/browser.mjs';
import { startDemoMail, startDemoUsers, startPasswordFront } from './lib/demo.mjs';
import { closeServer, freePort, listen, temporaryFolder } from './lib/process.mjs';

const JSON_TYPE = { 'content-type': 'application/json' };

/** Posts a text or bytes, or any other value as JSON. Resolves with [status, JSON]. */
async function post(url, content, headers = JSON_TYPE) {
  const body = typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content);
  const response = await fetch(url, { method: 'POST', headers, body });
  return [response.status, await response.json()];
}

async function get(url, options) {
  const response = await fetch(url, options);
  return [response.status, await response.json()];
}

const ALICE = { id: 1, email: 'alice@example.com', emailVerified: true, firstName: 'Alice', lastName: 'Adams', role: 'admin' };
const BOB = { id: 2, email: 'bob@example.com', emailVerified: true, firstName: 'Bob', lastName: 'Brown', role: 'user' };
const DORA = { email: 'dora@example.com', firstName: 'Dora', lastName: 'Dunn', password: 'a long enough password' };

describe('the user service', () => {
  let users;
  before(async () => (users = await startDemoUsers()));
  after(() => users?.stop());
  const verify = (content) => post(`${users.url}/api/users/verify`, content);

  it('accepts a right password, by address and by name, in upper and lower case', async () => {
    for (const name of [{ email: 'alice@example.com' }, { email: 'Alice@Example.COM' }, { username: 'alice' }]) {
      assert.deepEqual(await verify({ ...name, password: 'alice-password' }), [200, ALICE]);
    }
  });

  it('says 401 to a wrong password and 404 to an unknown name', async () => {
    assert.equal((await verify({ email: 'alice@example.com', password: 'bob-password' }))[0], 401);
    assert.equal((await verify({ username: 'alice', password: 'ALICE-password' }))[0], 401);
    assert.equal((await verify({ email: 'carol@example.com', password: 'carol-password' }))[0], 404);
    assert.equal((await verify({ username: "alice' OR '1'='1", password: 'x' }))[0], 404);
  });

  it('says 400 to what is malformed', async () => {
    for (const content of [
      {},
      { email: 'alice@example.com' },
      { password: 'x' },
      { email: 'alice@example.com', password: '' },
      { email: 'alice@example.com', password: 7 },
      { email: ['alice@example.com'], password: 'x' },
      { email: 'no address', password: 'x' },
      { username: '', password: 'x' },
      { email: 'alice@example.com', password: 'x'.repeat(1025) },
      [],
      null,
      'not JSON',
      new Uint8Array([0x7b, 0xff, 0x7d]),
    ]) {
      assert.equal((await verify(content))[0], 400, JSON.stringify(content));
    }
  });

  it('finds people by address', async () => {
    const find = (address) => get(`${users.url}/api/users/email/${address}`);
    assert.deepEqual(await find('bob%40example.com'), [200, BOB]);
    assert.deepEqual(await find('BOB@example.com'), [200, BOB]);
    for (const [address, status] of [
      ['carol%40example.com', 404],
      ["x'%20OR%20'1'='1", 404],
      ['%25', 404],
      ['%ff', 400],
      ['', 404],
      ['bob%40example.com/x', 404],
    ]) {
      assert.equal((await find(address))[0], status, address);
    }
  });

  it('creates a person once, also if two requests come at the same moment', async () => {
    const create = (more) => post(`${users.url}/api/users`, { ...DORA, ...more });
    const answers = await Promise.all([create(), create({ email: 'DORA@example.com' })]);
    assert.deepEqual(answers.map(([status]) => status).sort(), [201, 409]);
    const [, { id, ...created }] = answers.find(([status]) => status === 201);
    assert.deepEqual([created.email.toLowerCase(), created.firstName, created.lastName, created.role], ['dora@example.com', 'Dora', 'Dunn', 'user']);
    assert.equal((await verify({ email: 'dora@example.com', password: DORA.password }))[1].id, id);
    assert.equal(users.rows().filter(({ email }) => email.toLowerCase() === 'dora@example.com').length, 1);
  });

  it('lets nobody make themselves an admin, or use a taken name', async () => {
    const [status, created] = await post(`${users.url}/api/users`, { ...DORA, email: 'eve@example.com', role: 'admin', username: 'root', id: 1 });
    assert.deepEqual([status, created.role], [201, 'user']);
    assert.deepEqual(
      users.rows().filter(({ username }) => username === 'root'),
      [],
    );
  });

  it('creates nobody from what is malformed', async () => {
    const rows = users.rows().length;
    for (const more of [
      { email: 'a@b@c' },
      { email: 'a@b, c@d' },
      { email: undefined },
      { password: 'short' },
      { password: undefined },
      { firstName: 'a\nb' },
      { lastName: {} },
    ]) {
      assert.equal((await post(`${users.url}/api/users`, { ...DORA, email: 'frank@example.com', ...more }))[0], 400, JSON.stringify(more));
    }
    assert.equal(users.rows().length, rows);
  });

  it('accepts people without names', async () => {
    const [status, { firstName, lastName }] = await post(`${users.url}/api/users`, { email: 'gina@example.com', password: DORA.password });
    assert.deepEqual([status, firstName, lastName], [201, '', '']);
  });

  it('stores passwords as argon2id, and never shows the hash', async () => {
    for (const { password_hash: hash } of users.rows()) assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    const [, told] = await verify({ username: 'alice', password: 'alice-password' });
    assert.deepEqual(Object.keys(told), Object.keys(ALICE));
  });

  it('refuses other types, other methods, other paths and long bodies', async () => {
    const at = `${users.url}/api/users/verify`;
    for (const headers of [{}, { 'content-type': 'text/plain' }, { 'content-type': 'application/x-www-form-urlencoded' }])
      assert.equal((await post(at, '{}', headers))[0], 415);
    assert.equal((await post(at, {}, { 'content-type': 'application/json; charset=utf-8' }))[0], 400);
    assert.equal((await get(at))[0], 405);
    assert.equal((await get(`${users.url}/api/users/email/a`, { method: 'DELETE' }))[0], 405);
    assert.equal((await get(`${users.url}/`))[0], 404);
    assert.equal((await post(at, `{"email": "${'x'.repeat(16 * 1024)}"}`))[0], 413);
  });

  it('stops reading at its limit if the request has no length', async () => {
    const answer = await new Promise((done, failed) => {
      const socket = net.connect(users.port, '127.0.0.1').on('error', failed);
      let text = '';
      socket
        .setEncoding('utf8')
        .on('data', (part) => (text += part))
        .on('close', () => done(text));
      const chunk = 'x'.repeat(8192);
      socket.write(`POST /api/users/verify HTTP/1.1\r\nhost: users\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`);
      for (let sent = 0; sent < 3; sent += 1) socket.write(`2000\r\n${chunk}\r\n`);
    });
    assert.match(answer, /^HTTP\/1\.1 413 /);
  });

  it('with a file, still knows people after a restart, and creates nobody twice', async () => {
    const file = join(temporaryFolder(), 'users.sqlite');
    const first = await startDemoUsers({ file });
    const [, created] = await post(`${first.url}/api/users`, DORA);
    await first.stop();
    const second = await startDemoUsers({ file });
    try {
      assert.deepEqual(await get(`${second.url}/api/users/email/${DORA.email}`), [200, created]);
      assert.deepEqual(
        second.rows().map(({ id }) => id),
        [1, 2, 3],
      );
    } finally {
      await second.stop();
    }
  });
});

describe('the mail service', () => {
  let mail;
  before(async () => (mail = await startDemoMail()));
  after(() => mail?.stop());
  const send = (content) => post(`${mail.url}/api/mail/send-welcome`, content);
  const head = (letter) => letter.split('\n\n', 1)[0];

  it('delivers one complete letter for each call', async () => {
    assert.deepEqual(await send({ email: 'carol@example.com', firstName: 'Carol' }), [200, { sent: true }]);
    const [letter, ...more] = mail.letters();
    assert.deepEqual(more, []);
    assert.match(head(letter), /^To: Carol <carol@example\.com>$/m);
    assert.match(head(letter), /^Subject: Welcome, Carol$/m);
    assert.match(letter, /\n\nHello Carol,\n/);
    assert.deepEqual(readdirSync(join(mail.maildir, 'tmp')), []);
  });

  it('writes to people without a name and with all kinds of names, and to nobody else', async () => {
    for (const firstName of [undefined, '', 'Zoé 🙂', 'Eve <eve@example.com>', '"a", eve@example.com', 'x'.repeat(100)]) {
      const known = new Set(mail.letters());
      assert.equal((await send({ email: 'dora@example.com', firstName }))[0], 200, firstName);
      const [letter] = mail.letters().filter((text) => !known.has(text));
      const unfolded = head(letter).replace(/\n[ \t]+/g, ' ');
      assert.match(unfolded, /^To: .*\bdora@example\.com>?$/m);
      assert.deepEqual(unfolded.match(/^(to|cc|bcc):/gim), ['To:']);
      const [, to] = /^To: (.*)$/m.exec(unfolded.replace(/"(\\.|[^"])*"/g, 'quoted'));
      assert.equal(to.includes('eve@'), false, unfolded);
    }
  });

  it('delivers nothing that is malformed: a line break never becomes a header', async () => {
    const letters = mail.letters().length;
    for (const content of [
      { email: 'carol@example.com', firstName: 'a\r\nBcc: eve@example.com' },
      { email: 'carol@example.com', firstName: 'a\nb' },
      { email: 'carol@example.com\r\nBcc: eve@example.com' },
      { email: 'carol@example.com, eve@example.com' },
      { email: 'carol' },
      { email: ['carol@example.com', 'eve@example.com'] },
      { email: 'carol@example.com', firstName: { path: '/etc/passwd' } },
      { email: 'carol@example.com', firstName: 'x'.repeat(101) },
      {},
      [],
      'x',
    ]) {
      assert.equal((await send(content))[0], 400, JSON.stringify(content));
    }
    assert.equal((await post(`${mail.url}/api/mail/send-welcome`, 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }))[0], 415);
    assert.equal((await get(`${mail.url}/api/mail/send-welcome`))[0], 405);
    assert.equal(mail.letters().length, letters);
  });

  it('sends by SMTP if it has a server, to one recipient', async () => {
    const catcher = await startCatcher();
    const bySmtp = await startDemoMail({ smtp: `smtp://127.0.0.1:${catcher.port}` });
    try {
      const answer = await post(`${bySmtp.url}/api/mail/send-welcome`, { email: 'carol@example.com', firstName: 'Carol, eve@example.com' });
      assert.deepEqual(answer, [200, { sent: true }]);
      const [{ recipients, letter }, ...more] = catcher.letters;
      assert.deepEqual([recipients, more], [['<carol@example.com>'], []]);
      assert.match(letter, /^Subject: Welcome, Carol/m);
      assert.equal(existsSync(join(bySmtp.maildir, 'new')), false);
    } finally {
      await bySmtp.stop();
      await catcher.stop();
    }
  });

  it('says 500, and no more, when the SMTP server is gone', async () => {
    const bySmtp = await startDemoMail({ smtp: `smtp://127.0.0.1:${await freePort()}` });
    try {
      assert.deepEqual(await post(`${bySmtp.url}/api/mail/send-welcome`, { email: 'carol@example.com' }), [500, { error: 'this service failed' }]);
    } finally {
      await bySmtp.stop();
    }
  });
});

/** An SMTP server that accepts everything: {port, letters: [{recipients, letter}], stop}. */
async function startCatcher() {
  const letters = [];
  const server = net.createServer((socket) => {
    let rest = '',
      recipients = [],
      letter;
    const say = (line) => socket.write(`${line}\r\n`);
    say('220 catcher');
    socket
      .setEncoding('utf8')
      .on('error', () => {})
      .on('data', (text) => {
        const lines = (rest + text).split('\r\n');
        rest = lines.pop();
        for (const line of lines) {
          if (letter && line === '.') {
            letters.push({ recipients, letter: letter.join('\n') });
            [letter, recipients] = [undefined, []];
            say('250 taken');
          } else if (letter) letter.push(line);
          else if (/^RCPT TO:/i.test(line)) say(`250 ${recipients.push(line.slice(8).trim())}`);
          else if (/^DATA/i.test(line)) {
            letter = [];
            say('354 go on');
          } else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n');
          else say('250 fine');
        }
      });
  });
  const sockets = new Set();
  server.on('connection', (socket) => sockets.add(socket));
  return {
    port: await listen(server),
    letters,
    stop() {
      for (const socket of sockets) socket.destroy();
      return closeServer(server);
    },
  };
}

describe('the front end, in a browser', () => {
  /** The answers of the gateway's replacement: [status, JSON, headers] for the form and for the API, a page for the popup. */
  let answers, asked, gateway, front, origin, stranger, browser, person, page;

  before(async () => {
    const servers = [http.createServer(standIn), http.createServer((_, response) => html(response, '<!doctype html><p>Another origin</p>'))];
    const [port, strangersPort] = [await listen(servers[0]), await listen(servers[1])];
    gateway = { origin: `http://localhost:${port}`, server: servers[0] };
    stranger = { origin: `http://localhost:${strangersPort}`, server: servers[1] };
    front = await startPasswordFront(gateway.origin, await freePort());
    origin = `http://localhost:${front.port}`;
    browser = await startBrowser();
    person = await newPerson(browser);
  });
  after(async () => {
    await person?.close();
    await browser?.close();
    await front?.stop();
    for (const other of [gateway, stranger]) if (other) await closeServer(other.server);
  });
  beforeEach(async () => {
    asked = [];
    answers = {
      login: [200, { message: 'Connexion réussie', token: 'a-token', user: { id: 1, email: 'alice@example.com' } }],
      api: [200, { hello: 'alice' }],
      url: [200, { authUrl: `${gateway.origin}/popup` }],
      popup: tells({ token: 'a-token', user: { id: 3, email: 'carol@example.com' } }),
    };
    await page?.close();
    page = await person.newPage();
    await page.goto(origin);
  });

  const html = (response, body) => response.writeHead(200, { 'content-type': 'text/html' }).end(body);
  /** A page that posts a message to the front end that opened it, and closes itself, like the gateway's page. */
  const tells = (message, more = 'close()') => `<!doctype html><script>opener.postMessage(${JSON.stringify(message)}, '${origin}'); ${more}</script>`;

  function standIn(request, response) {
    let body = '';
    request
      .on('data', (part) => (body += part))
      .on('end', () => {
        const { method, url, headers } = request;
        if (url === '/popup') return html(response, answers.popup);
        const cors = {
          'access-control-allow-origin': origin,
          'access-control-allow-credentials': 'true',
          'access-control-allow-headers': 'authorization, content-type',
          'access-control-expose-headers': 'retry-after',
        };
        if (method === 'OPTIONS') return response.writeHead(200, cors).end();
        asked.push({ method, url, authorization: headers.authorization, body });
        const [status, value, more] = url === '/api/auth/login' ? answers.login : url === '/api/auth/google/url' ? answers.url : answers.api;
        response.writeHead(status, { 'content-type': 'application/json', ...cors, ...more }).end(JSON.stringify(value));
      });
  }

  const press = (name) => page.getByRole('button', { name, exact: true }).click();
  const status = (text) => page.locator('#status', { hasText: text }).waitFor();
  const inside = () => page.getByRole('button', { name: 'Sign out' }).waitFor();
  const kept = () => page.evaluate(() => sessionStorage.getItem('signed-in'));
  async function logIn(password = 'alice-password') {
    await page.getByLabel('E-mail').fill('alice@example.com');
    await page.getByLabel('Password').fill(password);
    await press('Sign in');
  }

  it('posts the form as JSON, keeps the token for this tab, and sends it with every call', async () => {
    await logIn();
    await inside();
    assert.deepEqual(asked, [
      { method: 'POST', url: '/api/auth/login', authorization: undefined, body: '{"email":"alice@example.com","password":"alice-password"}' },
    ]);
    await page.getByText('alice@example.com', { exact: true }).waitFor();
    await press('What the application is told');
    await page.locator('#answer', { hasText: '"hello":"alice"' }).waitFor();
    assert.equal(asked.at(-1).authorization, 'Bearer a-token');
    await page.reload();
    await inside();
    await press('Sign out');
    await status('You have signed out.');
    assert.equal(await kept(), null);
    assert.deepEqual(await page.evaluate(() => [document.cookie, localStorage.length]), ['', 0]);
  });

  it('shows what a refusal says, and forgets the password that was typed', async () => {
    answers.login = [401, { message: 'Wrong name or password' }];
    await logIn('wrong');
    await status('Wrong name or password');
    assert.equal(await page.getByLabel('Password').inputValue(), '');
    answers.login = [502, { detail: 'The user service does not answer.' }];
    await logIn();
    await status('The user service does not answer.');
    assert.equal(await kept(), null);
  });

  it('says when to try again after too many attempts', async () => {
    answers.login = [429, {}, { 'retry-after': '30' }];
    await logIn();
    await status('Too many attempts. Please try again in 30 seconds.');
    answers.login = [429, {}, { 'retry-after': '300' }];
    await logIn();
    await status('in 5 minutes');
    answers.login = [429, {}];
    await logIn();
    await status('later');
  });

  it('asks to sign in again when a token is no longer accepted, and says when an account may not do something', async () => {
    await logIn();
    await inside();
    answers.api = [403, {}];
    await press('Analytics, for admins');
    await status('your account may not do this');
    answers.api = [401, {}];
    await press('Analytics, for admins');
    await status('Please sign in again.');
    assert.equal(await kept(), null);
  });

  it('signs in by popup, which closes', async () => {
    const opened = page.waitForEvent('popup');
    await press('Sign in with the provider');
    const popup = await opened;
    await inside();
    await page.getByText('carol@example.com', { exact: true }).waitFor();
    if (!popup.isClosed()) await popup.waitForEvent('close');
    assert.equal(JSON.parse(await kept()).token, 'a-token');
  });

  it('says why a sign-in by popup did not work', async () => {
    for (const [error, text] of [
      ['account_missing', 'There is no account for you here.'],
      ['authorization_denied', 'The sign-in was cancelled.'],
      ['token_malformed', 'The sign-in did not work: token_malformed'],
    ]) {
      answers.popup = tells({ error });
      await press('Sign in with the provider');
      await status(text);
    }
    answers.url = [503, { detail: 'The provider is not there.' }];
    await press('Sign in with the provider');
    await status('The provider is not there.');
    assert.equal(await kept(), null);
  });

  it('notices a popup that is closed too early, and can open another one', async () => {
    answers.popup = '<!doctype html><p>Who are you?</p>';
    const opened = page.waitForEvent('popup');
    await press('Sign in with the provider');
    const popup = await opened;
    await popup.getByText('Who are you?').waitFor();
    await popup.close();
    await status('The window was closed before the sign-in was done.');
    answers.popup = tells({ token: 'a-token' });
    await press('Sign in with the provider');
    await inside();
  });

  it('ignores messages of other windows and other origins', async () => {
    answers.popup = '<!doctype html><p>Who are you?</p>';
    const opened = page.waitForEvent('popup');
    await press('Sign in with the provider');
    const popup = await opened;
    await popup.getByText('Who are you?').waitFor();
    const forged = { token: 'forged' };
    // A forged message from the page itself, and one from the popup while it shows a page of another origin.
    await page.evaluate((message) => postMessage(message, '*'), forged);
    await popup.goto(`${stranger.origin}/`);
    await popup.evaluate((message) => opener.postMessage(message, '*'), forged);
    // The page does not show that it ignored a message. But when the right message, which came later, has been used, the forged ones were read.
    await popup.goto(`${gateway.origin}/popup`);
    await popup.evaluate(([message, to]) => opener.postMessage(message, to), [{ token: 'the-right-one' }, origin]);
    await inside();
    assert.equal(JSON.parse(await kept()).token, 'the-right-one');
  });

  it('has a policy that lets no other script run, and no page had errors', async () => {
    const response = await page.reload();
    const policy = await response.headerValue('content-security-policy');
    for (const part of [
      "default-src 'none'",
      /script-src 'sha256-[\w+/]+=*';/,
      `connect-src ${gateway.origin};`,
      "frame-ancestors 'none'",
      "form-action 'none'",
    ]) {
      assert.ok(typeof part === 'string' ? policy.includes(part) : part.test(policy), `${part} in ${policy}`);
    }
    assert.equal(await response.headerValue('cross-origin-opener-policy'), 'same-origin-allow-popups');
    assert.deepEqual(
      person.complaints.filter((text) => !/status of (401|403|429|502|503)/.test(text)),
      [],
    );
  });
});
