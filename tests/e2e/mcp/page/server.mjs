// Serves agent.mjs as a page, with the SDK in the same script, as such clients are built.

import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { ready, settings } from '../driver.mjs';

const PAGE = '<!doctype html><title>Agent</title><link rel="icon" href="data:,"><output></output><script type="module" src="/agent.js"></script>';

const { port } = await settings();
const bundle = await rolldown({ input: fileURLToPath(new URL('agent.mjs', import.meta.url)), platform: 'browser' });
const { output } = await bundle.generate({ format: 'esm', codeSplitting: false });
const [{ code }] = output;

http
  .createServer((request, response) => {
    const isScript = request.url === '/agent.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html').end(isScript ? code : PAGE);
  })
  .listen(port, '127.0.0.1', ready);
