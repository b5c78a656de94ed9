// The mail service of the demo and of the end-to-end tests: it writes one kind of letter, which welcomes a new user, and delivers it to a maildir or to an
// SMTP server. To start it by hand: PORT=9301 MAILDIR=mail node mail.mjs, or SMTP_URL=smtp://127.0.0.1:1025 node mail.mjs
import { randomBytes } from 'node:crypto';
import { mkdir, open, rename } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createTransport } from 'nodemailer';
import { email, startService, text } from './service.mjs';

/** `port: 0` chooses a free port. Letters are sent to `smtp`, a URL, or else written to `maildir`/new. `onRequest` is called for every request that arrives. */
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

/** Sends a letter. The envelope is given separately, so that there is one recipient, whatever a name contains. */
const welcome = (from, address, name) => ({
  envelope: { from, to: [address] },
  from: { name: 'Sample application', address: from },
  to: { name, address },
  subject: name ? `Welcome, ${name}` : 'Welcome',
  text: `Hello${name ? ` ${name}` : ''},\n\nan account was made for you when you signed in for the first time.\n\nThe sample application\n`,
  // The content of a letter can make the library neither read a file nor fetch a URL.
  disableFileAccess: true,
  disableUrlAccess: true,
});

function bySmtp(url) {
  const transport = createTransport(url);
  return (letter) => transport.sendMail(letter);
}

/** Delivers to a maildir: the letter is written in tmp and then moved to new, where it appears as a whole. */
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
