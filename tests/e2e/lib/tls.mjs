// Certificates for the tests, made by this machine's openssl: an authority that nobody else trusts, and certificates that it signs. They are valid for a day.

import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import tls from 'node:tls';
import { temporaryFolder } from './process.mjs';

/** Makes an authority: {file, pem, issue}. `issue(names)` returns {certificate, key} in PEM for these host names or URIs. */
export function makeAuthority() {
  const folder = temporaryFolder();
  const at = (name) => join(folder, name);
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout'];
  openssl(['req', '-x509', '-days', '1', '-subj', '/CN=accredit tests', ...key, at('ca.key'), '-out', at('ca.pem')]);
  let issued = 0;
  return {
    file: at('ca.pem'),
    pem: readFileSync(at('ca.pem'), 'utf8'),
    issue(...names) {
      issued += 1;
      const [keyFile, request, extensions, certificate] = ['key', 'csr', 'ext', 'pem'].map((kind) => at(`${issued}.${kind}`));
      writeFileSync(extensions, `subjectAltName=${names.map((name) => (name.includes('://') ? `URI:${name}` : `DNS:${name}`)).join(',')}\n`);
      openssl(['req', '-new', '-subj', '/CN=accredit tests', ...key, keyFile, '-out', request]);
      openssl([
        'x509',
        '-req',
        '-days',
        '1',
        '-in',
        request,
        '-CA',
        at('ca.pem'),
        '-CAkey',
        at('ca.key'),
        '-set_serial',
        String(issued),
        '-extfile',
        extensions,
        '-out',
        certificate,
      ]);
      return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(keyFile, 'utf8') };
    },
  };
}

function openssl(options) {
  const run = spawnSync('openssl', options, { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`openssl ${options[0]} failed: ${run.error?.message ?? run.stderr}`);
}

/** The serial number of the certificate that a port of 127.0.0.1 shows for this host name. The authority must have signed it. */
export function serialShownAt(port, servername, authority) {
  return new Promise((shown, failed) => {
    const socket = tls.connect({ host: '127.0.0.1', port, servername, ca: authority.pem }, () => {
      shown(Number(`0x${socket.getPeerCertificate().serialNumber}`));
      socket.destroy();
    });
    socket.on('error', failed);
  });
}
