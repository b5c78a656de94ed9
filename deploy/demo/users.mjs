// The user service of the demo and of the end-to-end tests: people in SQLite, with passwords as argon2id. The gateway asks it whether a password is right, and
// finds and creates people there; the gateway decides who is let in. The service answers everybody who can connect to it, so only the gateway may reach it.
// To start it by hand: PORT=9300 FILE=users.sqlite node users.mjs
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { argon2id, argon2Verify } from 'hash-wasm';
import sqlite from 'node-sqlite3-wasm';
import { email, Refusal, startService, text } from './service.mjs';

/** The two people whom the provider knows, too. */
export const PEOPLE = [
  { username: 'alice', email: 'alice@example.com', firstName: 'Alice', lastName: 'Adams', role: 'admin', password: 'alice-password' },
  { username: 'bob', email: 'bob@example.com', firstName: 'Bob', lastName: 'Brown', role: 'user', password: 'bob-password' },
];

// No id is used twice: the token of a deleted person must not become another person's.
const TABLE = `CREATE TABLE IF NOT EXISTS users (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  email TEXT NOT NULL COLLATE NOCASE UNIQUE,
  username TEXT COLLATE NOCASE UNIQUE,
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  role TEXT NOT NULL,
  password_hash TEXT NOT NULL
) STRICT`;

const BY_EMAIL = 'SELECT * FROM users WHERE email = ?';
const BY_USERNAME = 'SELECT * FROM users WHERE username = ?';
const INSERT = `INSERT INTO users (email, username, first_name, last_name, role, password_hash) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT DO NOTHING RETURNING *`;

/**
 * `port: 0` chooses a free port. `file` keeps the people; without it they are lost when this process ends. `onRequest` is called for every request that
 * arrives. `rows()` are all people as in the database, including hashes: for tests.
 */
export async function startUsers({ port = 9300, host = '127.0.0.1', file = ':memory:', people = PEOPLE, onRequest } = {}) {
  const database = new sqlite.Database(file);
  database.exec(TABLE);
  for (const { username, password, role, ...person } of people) {
    if (!database.get(BY_EMAIL, person.email)) insert(database, { ...person, username, role, hash: await hashed(password) });
  }
  // An unknown person takes as much time as a wrong password.
  const nobody = await hashed(randomBytes(32).toString('hex'));

  const routes = [
    [
      'POST',
      /^\/api\/users\/verify$/,
      async ({ body }) => {
        const known =
          body.username === undefined ? database.get(BY_EMAIL, email(body.email)) : database.get(BY_USERNAME, text(body.username, 'username', { most: 254 }));
        const right = await argon2Verify({ password: text(body.password, 'password', { most: 1024 }), hash: known?.password_hash ?? nobody });
        if (!known) throw new Refusal(404, 'nobody is called that');
        if (!right) throw new Refusal(401, 'the password is wrong');
        return [200, told(known)];
      },
    ],
    [
      'GET',
      /^\/api\/users\/email\/([^/]+)$/,
      async ({ parts: [address] }) => {
        const known = database.get(BY_EMAIL, address);
        if (!known) throw new Refusal(404, 'nobody has this address');
        return [200, told(known)];
      },
    ],
    [
      'POST',
      /^\/api\/users$/,
      async ({ body }) => {
        const person = {
          email: email(body.email),
          firstName: text(body.firstName ?? '', 'firstName', { least: 0, most: 100 }),
          lastName: text(body.lastName ?? '', 'lastName', { least: 0, most: 100 }),
        };
        const hash = await hashed(text(body.password, 'password', { least: 8, most: 1024 }));
        const created = insert(database, { ...person, role: 'user', hash });
        if (!created) throw new Refusal(409, 'somebody has this address');
        return [201, told(created)];
      },
    ],
  ];
  const service = await startService({ port, host, routes, onRequest });
  return {
    ...service,
    rows: () => database.all('SELECT * FROM users ORDER BY id'),
    async close() {
      await service.close();
      database.close();
    },
  };
}

/** The new row; undefined if the address or the name is taken. */
function insert(database, { email: address, username = null, firstName, lastName, role, hash }) {
  return database.get(INSERT, [address, username, firstName, lastName, role, hash]) ?? undefined;
}

/** What the service tells about a person: these fields, and never the hash. */
// Every address is verified: those of the first two people by whoever wrote this file, all others by the provider.
const told = (row) => ({ id: row.id, email: row.email, emailVerified: true, firstName: row.first_name, lastName: row.last_name, role: row.role });

/** The minimum that OWASP recommends: 19 MiB, two passes. */
const hashed = (password) =>
  argon2id({ password, salt: randomBytes(16), parallelism: 1, iterations: 2, memorySize: 19456, hashLength: 32, outputType: 'encoded' });

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url } = await startUsers({ port: Number(process.env.PORT ?? 9300), file: process.env.FILE });
  console.log(`users: ${url}`);
}
