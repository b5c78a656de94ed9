// Runs one pod of deploy/kubernetes as a process: Envoy with the file of the built ConfigMap, the variables of the built Deployment, and Secrets of the tests.
//
// A pod has addresses and files that this machine does not have. Only these are replaced:
//   listeners and admin     0.0.0.0 with 8443, 8080, 8001, 9901: by 127.0.0.1 and free ports
//   application             the Service of that name: by 127.0.0.1 and the port of the tests' application
//   module                  the module that the init container copies: by the module that was built
//   certificate             the mounted Secret and certificate.yaml: by a folder as the kubelet makes it, and a file
//   trusted_ca              the authorities that the image trusts: by the tests' authority
//   OIDC_ISSUER             the overlay's provider: by the tests' provider
// Origin and client are the overlay's.

import { mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { Envoy, validate } from './envoy.mjs';
import { newKey, pluginOf, pointCluster } from './gateway.mjs';
import { objectOf } from './kubernetes.mjs';
import { freePort, temporaryFolder, wasmPath } from './process.mjs';
import { refusalIn } from './refusals.mjs';

/** A Secret with a certificate, mounted as the kubelet does it: with links to links, so that one rename replaces all files. */
export class MountedCertificate {
  #version = 0;

  constructor(issued) {
    this.folder = join(temporaryFolder(), 'certificate');
    mkdirSync(this.folder);
    this.renew(issued);
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(join('..data', name), join(this.folder, name));
  }

  renew({ certificate, key }) {
    this.#version += 1;
    const version = `..version_${this.#version}`;
    mkdirSync(join(this.folder, version));
    writeFileSync(join(this.folder, version, 'tls.crt'), certificate);
    writeFileSync(join(this.folder, version, 'tls.key'), key);
    symlinkSync(version, join(this.folder, '..data_tmp'));
    renameSync(join(this.folder, '..data_tmp'), join(this.folder, '..data'));
  }
}

/** The Secret `accredit-secrets`, as deploy/kubernetes/README.md makes it, by its keys. */
export const newSecrets = (clientSecret) => ({ 'oidc-client-secret': clientSecret, 'session-key': newKey(), 'other-session-key': newKey() });

/** Replaces a value. It is an error if there is none, because the configuration has then changed. */
function replace(place, name, value) {
  if (place?.[name] === undefined) throw new Error(`the configuration has no ${name} where one is narrowed`);
  place[name] = value;
}

/** The bootstrap in the built ConfigMap, changed for this machine as said above. `edit` changes its text first. */
export function bootstrapOnThisMachine(objects, { ports, authority, certificate, application, wasm = wasmPath(), edit = (text) => text }) {
  const { data } = objectOf(objects, 'ConfigMap/envoy');
  const bootstrap = parse(edit(data['envoy.yaml']));
  const { listeners, clusters } = bootstrap.static_resources;
  for (const listener of listeners) replace(listener.address, 'socket_address', { address: '127.0.0.1', port_value: ports[listener.name] });
  replace(bootstrap.admin.address, 'socket_address', { address: '127.0.0.1', port_value: ports.admin });
  pointCluster(bootstrap, 'admin', ports.admin);
  pointCluster(bootstrap, 'application', application.port);
  replace(pluginOf(listeners[0]).vm_config.code.local, 'filename', wasm);

  const secret = parse(data['certificate.yaml']);
  const [{ tls_certificate: files }] = secret.resources;
  replace(files.certificate_chain, 'filename', join(certificate.folder, 'tls.crt'));
  replace(files.private_key, 'filename', join(certificate.folder, 'tls.key'));
  replace(files.watched_directory, 'path', certificate.folder);
  const secretFile = join(temporaryFolder(), 'certificate.yaml');
  writeFileSync(secretFile, stringify(secret));
  const tls = listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context;
  replace(tls.tls_certificate_sds_secret_configs[0].sds_config.path_config_source, 'path', secretFile);

  const provider = clusters.find(({ name }) => name === 'provider').transport_socket.typed_config.common_tls_context;
  replace(provider.validation_context.trusted_ca, 'filename', authority.file);
  return bootstrap;
}

const envoyIn = (objects) => objectOf(objects, 'Deployment/accredit').spec.template.spec.containers.find(({ name }) => name === 'envoy');

/** The variables of the built Deployment's container: those of the ConfigMap `environment`, and those that refer to keys of Secrets. */
export function environmentOf(objects, { provider, secrets }) {
  const referred = envoyIn(objects).env.map(({ name, valueFrom }) => [name, secrets[valueFrom.secretKeyRef.key]]);
  return { ...objectOf(objects, 'ConfigMap/environment').data, ...Object.fromEntries(referred), OIDC_ISSUER: provider.issuer };
}

async function freePorts() {
  const ports = {};
  for (const name of ['gateway', 'redirect', 'probes', 'admin']) ports[name] = await freePort();
  return ports;
}

/** Runs `envoy --mode validate` for a pod, with the options of its container, except those for the file and the number of workers. */
export async function validatePod(objects, options) {
  const environment = { ...environmentOf(objects, options), ...options.environment };
  const further = envoyIn(objects).args.slice(4);
  return validate(bootstrapOnThisMachine(objects, { ...options, ports: await freePorts() }), { environment, options: further });
}

/** Why the filter would refuse the configuration of a pod, or null; it is asked without Envoy. */
export async function refusalInPod(objects, options) {
  return refusalIn(bootstrapOnThisMachine(objects, { ...options, ports: await freePorts() }), { ...environmentOf(objects, options), ...options.environment });
}

/** Starts a pod. Visitors can use it as a gateway at the overlay's origin; `pod` has its ports: gateway, redirect, probes, admin. */
export async function startPod(objects, options) {
  const ports = await freePorts();
  const concurrency = Number(envoyIn(objects).args[3]);
  const envoy = await Envoy.start(bootstrapOnThisMachine(objects, { ...options, ports }), { concurrency, environment: environmentOf(objects, options) });
  return Object.assign(envoy, { pod: ports, ...visitedAt(objects, options.authority, ports.gateway) });
}

/** What a visitor must know of the gateway at this port: origin, certificate and ports. */
export function visitedAt(objects, authority, port) {
  const origin = objectOf(objects, 'ConfigMap/environment').data.ACCREDIT_ORIGIN;
  return { origin, ca: authority.pem, ports: { [new URL(origin).host]: port } };
}
