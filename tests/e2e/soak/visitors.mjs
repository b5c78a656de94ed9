// The visitors of a soak: what each sends, what is right for each while all is well, and what must be true of every answer.

import assert from 'node:assert/strict';
import { unsigned } from '../lib/misbehaving.mjs';
import { assertProblem, assertRefused } from '../lib/stage.mjs';
import { headerValues } from '../lib/upstream.mjs';
import { somebody } from './stage.mjs';

/** Forged identity headers, which are sent with every request and must have no effect. */
const CLAIMED = { 'x-forwarded-user': 'root', x_forwarded_groups: 'oracle-ai-users', 'x-forwarded-access-token': 'mine' };
const COOKIE = '__Host-accredit';

const forged = (text) => `${text.slice(0, -20)}${text.at(-20) === 'A' ? 'B' : 'A'}${text.slice(-19)}`;
export const bearer = ({ token }) => ({ headers: { ...CLAIMED, authorization: `Bearer ${token}` } });

/** The outcomes that are right while all is well. A visitor whose list is empty comes only in some turns. */
export const RIGHT = {
  remembered: ['200'],
  refreshed: ['200'],
  'refreshed at both': ['200'],
  stranger: ['403 condition_failed'],
  'stranger by token': ['403 condition_failed'],
  'nobody, by script': ['401 session_missing'],
  'nobody, by link': ['302'],
  'nobody, in public': ['200'],
  'nobody, at the new page': ['401 session_missing'],
  'forged cookie': ['401 session_invalid'],
  'forged cookie, by link': ['302'],
  'forged token': ['401 token_invalid'],
  'forged token, in public': ['200'],
  'standing key': ['200'],
  'newest key': ['200'],
  'former key': [],
  newcomer: ['302'],
  'newcomer, back': ['303'],
  'newcomer, in': ['200'],
  'newcomer, out': ['200'],
  'signed out': ['401 session_expired'],
  'ended before': ['401 session_expired'],
  victim: [],
};

/** The answers that do not come from the application although they are 200. */
export const OURS = ['newcomer, out'];

/** Checks what must be true of every answer. */
export function inspector(stage) {
  return (reply) => {
    if (reply.status < 300 || reply.status === 303) return;
    if (reply.status !== 302) return (reply.headers['content-type'].includes('problem') ? assertProblem : assertRefused)(reply, reply.status, reply.reason);
    assert.equal(`${reply.location.origin}${reply.location.pathname}`, `${stage.provider.issuer}/authorize`);
    assert.ok(reply.location.searchParams.get('state'), 'state is missing');
  };
}

/** The visitors by name: functions that send their requests on a connection. */
export function visitsOf(stage) {
  const { provider } = stage;
  let newcomers = 0;

  /** Checks that the application got the identity of only this person (or of nobody), and no credential but the forwarded token, which is that person's. */
  const namesOnly =
    (person, forwarded = []) =>
    (reply) => {
      const received = reply.json();
      const named = ['user', 'email', 'groups'].map((name) => headerValues(received, `x-forwarded-${name}`));
      assert.deepEqual(named, person ? [[person.sub], [person.email], [person.groups.join(',')]] : [[], [], []]);
      const tokens = headerValues(received, 'x-forwarded-access-token').map((token) => provider.accessTokens.get(token)?.sub);
      assert.deepEqual(tokens, forwarded);
      assert.deepEqual([received.headers.authorization, /__Host-accredit/.test(received.headers.cookie)], [undefined, false]);
    };
  const namesSession = (person) => namesOnly(person, [person.sub]);
  const call = (visitor, path, options) => visitor.call(path, { headers: CLAIMED, ...options });
  const simply = (name, send, check) => ({ [name]: (connection) => connection.ask(name, () => send(connection), check) });

  /** The tab that this connection has of somebody's browser; who it is may change from turn to turn. */
  const session = (name, find) => ({
    async [name](connection) {
      const { person, visitor } = find(connection);
      await connection.ask(name, () => call(connection.tab(visitor), '/members'), namesSession(person));
    },
  });
  const byToken = (name) => ({
    async [name](connection) {
      const issued = stage.one(name);
      await connection.ask(name, () => call(connection.visitor(), '/members', bearer(issued)), namesOnly(issued.person));
    },
  });
  const withForgedCookie = (connection) => {
    const visitor = connection.visitor();
    visitor.jar.set('localhost', COOKIE, forged(stage.alice.visitor.jar.get('localhost', COOKIE)));
    return visitor;
  };

  /** A new person, who follows a link to the page, signs in, sees it and signs out; then a copy of the cookie is used. */
  async function newcomer(connection) {
    const person = somebody(`newcomer-${(newcomers += 1)}`);
    const visitor = stage.browserOf(person, connection.visitor());
    try {
      const sent = await connection.ask('newcomer', () => visitor.open('/members', { headers: CLAIMED }));
      // While the provider is away, the browser cannot reach it either.
      const agreed = await (sent && visitor.open(sent.location.href).catch(() => undefined));
      if (!agreed) return;
      const back = await connection.ask('newcomer, back', () => visitor.open(agreed.location.href, { headers: { 'sec-fetch-site': 'cross-site' } }));
      if (back?.status !== 303) return;
      await connection.ask('newcomer, in', () => visitor.open(back.location.href, { headers: CLAIMED }), namesSession(person));
      const copy = visitor.jar.clone();
      const out = await connection.ask(
        'newcomer, out',
        () => visitor.call('/api/logout', { method: 'POST' }),
        ({ body }) => assert.match(body, /"ok"/),
      );
      if (!out) return;
      await connection.ask('signed out', () => call(Object.assign(connection.visitor(), { jar: copy.clone() }), '/members'));
      stage.hasEnded(copy);
    } finally {
      provider.people.delete(person.sub);
    }
  }

  return {
    ...session('remembered', () => stage.alice),
    ...session('refreshed', ({ number }) => stage.bobs.get(number)),
    ...session('refreshed at both', () => stage.shared),
    ...session('victim', ({ gateway }) => stage.victims[gateway.name]),
    ...simply('stranger', (connection) => call(connection.tab(stage.carol.visitor), '/members')),
    ...simply('nobody, by script', (connection) => call(connection.visitor(), '/members')),
    ...simply('nobody, by link', (connection) => connection.visitor().open('/members', { headers: CLAIMED })),
    ...simply('nobody, in public', (connection) => call(connection.visitor(), '/'), namesOnly(undefined)),
    ...simply('nobody, at the new page', (connection) => call(connection.visitor(), '/new'), namesOnly(undefined)),
    ...simply('forged cookie', (connection) => call(withForgedCookie(connection), '/members')),
    ...simply('forged cookie, by link', (connection) => withForgedCookie(connection).open('/members', { headers: CLAIMED })),
    ...Object.assign({}, ...['standing key', 'newest key', 'former key', 'stranger by token'].map(byToken)),
    async 'forged token'(connection) {
      const { token, claims } = stage.one('standing key');
      const forgeries = [forged(token), unsigned(claims, { alg: 'none' }), unsigned(claims, { alg: 'RS256', kid: 'rs-1' }, 'AAAA'), stage.one('forged').token];
      for (const bad of forgeries) await connection.ask('forged token', () => call(connection.visitor(), '/members', bearer({ token: bad })));
      await connection.ask('forged token, in public', () => call(connection.visitor(), '/', bearer({ token: forged(token) })), namesOnly(undefined));
    },
    async 'ended before'(connection) {
      const ended = stage.ended();
      if (ended) await connection.ask('ended before', () => call(Object.assign(connection.visitor(), { jar: ended.jar.clone() }), '/members'));
    },
    newcomer,
  };
}
