// One error of an operator, from end to end: what a person sees and how they go on, what the line in the log says, and which counter grows.
//
// A case is a row of values. `walk` is what the person does, and its result is the last answer. `page` is in that answer, `line` in the detail of an audit line,
// and `on` is what the page offers: where its link leads once the fault is mended.

import assert from 'node:assert/strict';
import { Visitor } from './client.mjs';
import { startGateway } from './gateway.mjs';
import { Provider } from './misbehaving.mjs';
import { assertRefused, keepingParts } from './stage.mjs';
import { Application } from './upstream.mjs';

export const { keep, stopAll } = keepingParts();

export const FROM_PROVIDER = { headers: { 'sec-fetch-site': 'cross-site' } };
export const quick = (configuration) => {
  configuration.sign_in = { wait: '1s' };
  configuration.providers[0].timeout = '1s';
};

/** A provider, an application, and a gateway between them. */
export async function start({ plugin = quick, ...options } = {}) {
  const [provider, application] = [keep(await Provider.start()), keep(await Application.start())];
  await options.prepare?.(provider);
  const gateway = keep(await startGateway({ provider, application, plugin, ...options }));
  return { provider, application, gateway, visitor: new Visitor(gateway) };
}

/** A gateway that most cases share, because starting one takes more than a second. */
let shared;
export async function sharedStage() {
  shared ??= start();
  const stage = await shared;
  stage.provider.behave();
  stage.application.forget();
  return { ...stage, visitor: new Visitor(stage.gateway) };
}

const signIn = ({ visitor }) => visitor.signIn('/analytics?wanted=1');
export const linksOf = (page) => [...page.body.matchAll(/href="([^"]*)"/g)].map(([, href]) => href.replaceAll('&amp;', '&'));

/** The audit lines since a mark whose detail, or whose redirect URI, matches. */
export const linesSaying = (gateway, mark, event, words) =>
  gateway.auditLog(mark).filter((line) => line.event === event && words.test(line.detail ?? line.redirect_uri ?? ''));

/** Walks one case, and compares everything that the row says. */
export async function check({ stage: options, arrange = () => {}, walk = signIn, status, reason, page, line: [event, words], counters, on }) {
  const stage = options ? await start(options) : await sharedStage();
  const { gateway, provider, application, visitor } = stage;
  arrange(provider);
  // What a gateway of its own says counts from its start.
  const mark = options ? 0 : gateway.mark();
  const before = options ? counters.map(() => 0) : await countersOf(gateway, counters);
  const last = await walk(stage);
  assertRefused(last, status, reason);
  for (const text of page) assert.match(last.body, text);
  assert.deepEqual(application.requests, [], 'nothing reaches the application');
  const [line, ...more] = linesSaying(gateway, mark, event, words);
  assert.ok(line, `no line ${event} says ${words}:\n${JSON.stringify(gateway.auditLog(mark), null, 1)}`);
  if (event !== 'fetch_failed') assert.deepEqual([line.reason, line.request_id, more], [reason, requestIdOf(last), []]);
  const grown = await countersOf(gateway, counters);
  for (const [index, name] of counters.entries()) assert.ok(grown[index] > before[index], `accredit_${name} does not grow`);

  // The way on: by the page's own link, once the fault is mended.
  if (!provider.server.listening) await provider.accept();
  provider.behave();
  const link = typeof on.link === 'function' ? on.link(gateway) : on.link;
  assert.ok(linksOf(last).includes(link), `${link} is not among ${linksOf(last)}`);
  if (on.leadsTo) {
    const landed = await visitor.follow(await visitor.open(link, { headers: { 'sec-fetch-site': 'same-origin' } }));
    assert.deepEqual([landed.status, landed.url.pathname + landed.url.search], [200, on.leadsTo], landed.reason);
  }
}

const requestIdOf = ({ body }) => /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/.exec(body)?.[0];
export const countersOf = (gateway, names) => Promise.all(names.map((name) => gateway.counter(`accredit_${name}`)));

export const TRY_AGAIN = { link: '/api/login?return_to=%2Fanalytics%3Fwanted%3D1', leadsTo: '/analytics?wanted=1' };
