// A real Chromium, driven by playwright-core, which contains no browser.
//
// It records the console errors, uncaught exceptions and policy violations of every page, so that a test can check that there were none.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { chromiumPath, temporaryFolder } from './process.mjs';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
];

export function startBrowser() {
  return chromium.launch({ executablePath: chromiumPath(), headless: true, args: FLAGS });
}

/** A new person: an isolated browser context, and a list of the errors of its pages. */
export async function newPerson(browser) {
  return watched(await browser.newContext());
}

/** A new person who allows third-party cookies, which Chromium blocks by default. */
export async function newPersonWithThirdPartyCookies() {
  const profile = temporaryFolder();
  mkdirSync(join(profile, 'Default'));
  writeFileSync(join(profile, 'Default', 'Preferences'), JSON.stringify({ profile: { block_third_party_cookies: false, cookie_controls_mode: 0 } }));
  return watched(await chromium.launchPersistentContext(profile, { executablePath: chromiumPath(), headless: true, args: FLAGS }));
}

function watched(context) {
  const complaints = [];
  context.on('page', (page) => {
    page.setDefaultTimeout(10_000);
    page.on('console', (message) => message.type() === 'error' && complaints.push(`${page.url()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
  });
  return { context, complaints, newPage: () => context.newPage(), close: () => context.close() };
}
