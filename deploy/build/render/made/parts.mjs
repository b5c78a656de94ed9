// What the objects for Istio and for Envoy Gateway have in common: the parts of envoy/spa-tokens.yaml.
//
// They are made from that file because it needs most from Envoy: an endpoint that reads a body, CORS before the filter, and an end to answers that would wait
// for ever. Other configurations can leave parts out. Values that differ between environments become variables of Envoy's environment.

import { readFileSync } from 'node:fs';
import { Document, parseAllDocuments } from 'yaml';
import { ROOT, variable } from '../source.mjs';

/** The variables that come from the Secret. */
export const SECRETS = ['OIDC_CLIENT_SECRET', 'ACCREDIT_KEY', 'ACCREDIT_OTHER_KEY'];

const version = /^version = "(.+)"/m.exec(readFileSync(`${ROOT}Cargo.toml`, 'utf8'))[1];

/** The identity headers that the filter always removes, read from its source; a star at the end matches any rest of a name. */
function alwaysOurs() {
  const rust = readFileSync(`${ROOT}src/access/upstream/believed.rs`, 'utf8');
  const named = (one) => (/^"(.+)"$/.exec(one) ?? new RegExp(`const ${one}: &str = "(.+)"`).exec(rust))[1];
  const listed = (list) => {
    const [, names] = new RegExp(`const ${list}: [^=]*= \\[([^\\]]*)\\]`).exec(rust);
    return names
      .replaceAll(/\/\/.*/g, '')
      .split(',')
      .map((one) => one.trim())
      .filter(Boolean)
      .map(named);
  };
  return [...listed('IDENTITY'), ...listed('IDENTITY_FAMILIES').map((family) => `${family}*`)];
}

/** The image of the module; its tag is the version of the crate. */
export const MODULE = `registry.example.com/accredit:${version}`;

export class Parts {
  /** `cluster` is the name of the cluster that reaches the provider. */
  constructor(shipped, cluster) {
    this.source = shipped('spa-tokens');
    this.#forAnyEnvironment(cluster);
  }

  #forAnyEnvironment(cluster) {
    const { source } = this;
    const at = (...path) => [...source.configuration, ...path];
    const provider = at('providers', 0);
    source.set(at('origins'), [variable('ACCREDIT_ORIGIN')]);
    source.set(at('trusted_origins'), [variable('FRONT_ORIGIN')]);
    source.set([...provider, 'name'], 'sso');
    const metadata = source.document.getIn(provider).items.find(({ key }) => key.value === 'metadata');
    Object.assign(metadata, { key: source.document.createNode('issuer'), value: source.document.createNode(variable('OIDC_ISSUER'), { flow: true }) });
    source.set([...provider, 'clusters'], cluster);
    source.set([...provider, 'client_id'], variable('OIDC_CLIENT_ID'));
    source.set([...provider, 'redirect_uri'], variable('FRONT_CALLBACK'));
    source.set([...provider, 'bearer', 'audiences'], [variable('OIDC_CLIENT_ID')]);
    source.set(at('session', 'keys'), [variable('ACCREDIT_KEY'), variable('ACCREDIT_OTHER_KEY')]);
  }

  /** The filter's configuration, with the comments of the shipped file. */
  get configuration() {
    return this.source.document.getIn(this.source.configuration);
  }

  /** The identity headers, each as a regular expression for all its spellings, because many servers treat other characters between the words as `-`. */
  get identityHeaders() {
    const { claim_to_headers: claims = [], forward } = this.configuration.toJSON();
    const configured = [...claims.map(({ header_name: name }) => name), forward?.identity_jwt?.header_name].filter(Boolean);
    return [...new Set([...alwaysOurs(), ...configured])].map((name) =>
      name
        .toLowerCase()
        .replace(/[^a-z0-9*]/g, '[^a-z0-9]')
        .replace('*', '.*'),
    );
  }

  /** An HTTP filter of the connection manager, by name. */
  filter(name) {
    return this.source.get(this.source.filter(name));
  }

  /** These settings of the connection manager. */
  manager(...names) {
    return Object.fromEntries(names.map((name) => [name, this.source.get([...this.source.manager, name])]));
  }

  /** The route of the endpoint that reads a body: it has no cluster, and enables the buffer. */
  get route() {
    return this.source.get([...this.source.manager, 'route_config', 'virtual_hosts', 0, 'routes']).find((route) => route.direct_response);
  }
}

/** A value as YAML, to be put into a template: all lines but the first are indented by this many spaces. */
export function block(value, indent) {
  const document = value?.constructor?.name === 'YAMLMap' ? Object.assign(new Document(), { contents: value }) : new Document(value);
  const text = document.toString({ lineWidth: 140 - indent, flowCollectionPadding: false, indentSeq: false }).trimEnd();
  return text.replaceAll('\n', `\n${' '.repeat(indent)}`);
}

/** The objects in these files of a folder below deploy/. */
export function objectsIn(folder, names) {
  return names.flatMap((name) => objectsOf(readFileSync(`${ROOT}deploy/${folder}/${name}`, 'utf8')));
}

export function objectsOf(text) {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  });
}
