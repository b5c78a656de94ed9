// The mail service of the demo and of the end-to-end tests: it writes one kind of letter, the welcome of a new user, and delivers it to a maildir, or to
// an SMTP server. By hand: PORT=9301 MAILDIR=mail node mail.mjs, or SMTP_URL=smtp://127.0.0.1:1025 node mail.mjs
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTransport } from 'nodemailer';
import { email, startService, text } from './service.mjs';

/** `port: 0` takes a free one. With `smtp`, a URL, letters go there; else each is a file in `maildir`/new. `onRequest` sees every request that arrives. */
export async function startMail({ port = 9301, host = '127.0.0.1', maildir = 'mail', smtp, from = 'welcome@example.com', onRequest } = {}) {
  const deliver = smtp ? bySmtp(smtp) : await intoMaildir(maildir);
  const routes = [
    [
      'POST',
      /^\/api\/mail\/send-welcome$/,
      async ({ body }) => {
        const [address, name] = [email(body.email), text(body.firstName ?? '', 'firstName', { least: 0, most: 100 })];
        await deliver(welcome(from, address, name));
        return [200, { sent: true }];
      },
    ],
  ];
  return startService({ port, host, routes, onRequest });
}

/** The envelope is written apart: whatever a name holds, there is one recipient. */
const welcome = (from, address, name) => ({
  envelope: { from, to: [address] },
  from: { name: 'Sample application', address: from },
  to: { name, address },
  subject: name ? `Welcome, ${name}` : 'Welcome',
  text: `Hello${name ? ` ${name}` : ''},\n\nan account was made for you when you signed in for the first time.\n\nThe sample application\n`,
  // Nothing that a letter says is read from this machine or fetched.
  disableFileAccess: true,
  disableUrlAccess: true,
});

function bySmtp(url) {
  const transport = createTransport(url);
  return (letter) => transport.sendMail(letter);
}

/** As a maildir wants it: a letter is written under tmp, and appears in new as a whole. */
async function intoMaildir(folder) {
  for (const part of ['tmp', 'new', 'cur']) await mkdir(join(folder, part), { recursive: true });
  const transport = createTransport({ streamTransport: true, buffer: true, newline: 'unix' });
  return async (letter) => {
    const { message } = await transport.sendMail(letter);
    const name = `${Date.now()}.${randomBytes(8).toString('hex')}.${hostname().replace(/[^\w.-]/g, '_')}`;
    const file = await open(join(folder, 'tmp', name), 'wx', 0o600);
    try {
      await file.writeFile(message);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(join(folder, 'tmp', name), join(folder, 'new', name));
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { PORT = 9301, MAILDIR, SMTP_URL } = process.env;
  const { url } = await startMail({ port: Number(PORT), maildir: MAILDIR, smtp: SMTP_URL });
  console.log(`mail: ${url}`);
}
