// Renders the Envoy file of a fleet from envoy/bff.yaml: that of the Kubernetes ingress, for machines, with a Redis and with every way in which a session of
// somebody can be ended. The plugin's other rules and its limits stay as in the shipped file.

import { asIngress } from './kubernetes.mjs';
import { redisCluster, revocations } from './made/redis-cluster.mjs';
import { variable, yaml } from './source.mjs';

const HEAD = `One of several Envoys with the filter, which share a Redis, on machines without Kubernetes. All of them run this file, with the same variables. TLS ends here.
A session can be ended at any of them in every way that there is, and has then ended at all of them.

Rendered    from envoy/bff.yaml by \`make manifests\`: change rules and limits there, and the rest in deploy/build/render/fleet.mjs; or change your own copy.
Use it      docs/deployment.md, "Three Envoys with everything", has each step:
              envoy -c envoy.yaml                     with these variables in its environment
Environment ACCREDIT_ORIGIN, OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET; ACCREDIT_KEY and ACCREDIT_OTHER_KEY, two keys of 32 bytes in base64;
            REDIS_PASSWORD. They are the same on every machine.
Files       /etc/accredit/accredit.wasm, the module; /etc/accredit/tls.crt and tls.key, the certificate for the host of ACCREDIT_ORIGIN.
Ports       8443 https; 8080 sends http to https; 8001 /ready and /live for a load balancer, and /stats/prometheus: let only these reach it.
Change      redis.internal           the host of your Redis, three times: the cluster \`redis\`; and its trusted_ca, if you sign its certificate yourself
            application.internal     your application, and its port
            scope, rules             \`groups\` in \`scope\`, where the provider refuses it; the rules for /chat, /members and /api/chat are samples
            the groups               \`security\` and \`helpdesk\` end sessions of others, \`security\` those of everybody
            what your provider has   remove the endpoints that it does not use, and \`transmitters\` with security_events, if it sends none. Where it has
                                     back-channel logout, remove frontchannel_logout: nothing proves such a request

The client's address is the address of the connection. For a load balancer in front, change this file, because otherwise all clients have its address:
  it speaks HTTP, by TLS to 8443 \`xff_num_trusted_hops: 1\` beside \`use_remote_address\`, plus one for each further proxy; and let only it reach this port,
                                 because Envoy then trusts x-forwarded-for
  it speaks the PROXY protocol   \`listener_filters\` with envoy.filters.listener.proxy_protocol in the listeners \`gateway\` and \`redirect\`

Keep these settings, because the guarantees of the filter depend on them:
  failure_policy FAIL_RELOAD   restarts a filter that crashed; FAIL_OPEN would let every request through
  vm_id                        unique for each configuration: plugins with the same vm_id share their memory
  normalize_path … REJECT      the rules see the same path as the application
  stream_idle_timeout          ends requests that would wait for ever. It also ends silent WebSockets and silent answers: raise it for those
  direct_response, buffer      on the routes of the three endpoints that read a body: Accredit reads a body only where the route leads to no cluster
  the filters' order           Accredit, buffer, router: a filter between Accredit and buffer could release a body before Accredit has read it
  auto_san_validation          with trusted_ca: without it, anybody on the network path can answer in place of the provider`;

/** The endpoints beside those of the shipped file. */
const ENDPOINTS = {
  backchannel_logout: '/api/backchannel_logout',
  frontchannel_logout: '/api/frontchannel_logout',
  security_events: '/api/security_events',
  operator_logout: '/api/operator_logout',
};

/** Their routes, if they read a body; that of back-channel logout is in the shipped file. */
const ROUTES = ['security_events', 'operator_logout']
  .map(
    (name) => `- match: {path: ${ENDPOINTS[name]}, headers: [{name: ":method", string_match: {exact: POST}}]}
  direct_response: {status: 404}
  typed_per_filter_config:
    envoy.filters.http.buffer:
      "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute
      buffer: {max_request_bytes: 65536}
`,
  )
  .join('');

/** What the ingress says of Kubernetes, and what holds here. */
const SAID = [
  [' # of the image', ''],
  [' # of the image', ''],
  [' # the Service of the same name, in application.yaml', ''],
  ['(README.md)', '(docs/deployment.md)'],
  ['the kubelet and Prometheus', 'a load balancer and Prometheus'],
  ['the pod must still answer its probes', 'it must still answer'],
  ['Holds a request to the endpoint of back-channel logout until', 'Holds a request to one of the three endpoints that read a body until'],
];

function said(text, [there, here]) {
  if (!text.includes(there)) throw new Error(`the ingress does not say ${there}`);
  return text.replace(there, here);
}

const CERTIFICATES = `
- certificate_chain: {filename: /etc/accredit/tls.crt}
  private_key: {filename: /etc/accredit/tls.key}
`;

const RULE = `
- match: {path: ${ENDPOINTS.operator_logout}}
  require: {claim: groups, any_of: [security, helpdesk]}
`;

export function render(shipped) {
  const bootstrap = asIngress(shipped('bff'));
  const { document, configuration, plugin } = bootstrap;
  const items = (text) => yaml(text).contents.items;
  const first = (path, text) => document.getIn(path).items.unshift(...items(text));

  const tls = [...bootstrap.listener(), 'filter_chains', 0, 'transport_socket', 'typed_config', 'common_tls_context'];
  bootstrap.remove([...tls, 'tls_certificate_sds_secret_configs']);
  document.setIn([...tls, 'tls_certificates'], yaml(CERTIFICATES).contents);
  bootstrap.remove(['node']);
  document.contents.items[0].key.spaceBefore = false;
  const address = { socket_address: { address: 'application.internal', port_value: 80 } };
  bootstrap.set([...bootstrap.cluster('application'), 'load_assignment', 'endpoints'], [{ lb_endpoints: [{ endpoint: { address } }] }]);
  bootstrap.insertCluster(`- ${redisCluster('redis.internal', 2, { withTls: true })}\n`, 'application');

  bootstrap.set([...configuration, 'revocations'], revocations(variable('REDIS_PASSWORD')));
  bootstrap.set([...configuration, 'endpoints'], { ...bootstrap.get([...configuration, 'endpoints']), ...ENDPOINTS });
  bootstrap.set([...configuration, 'transmitters'], [{ issuer: variable('OIDC_ISSUER'), providers: ['sso'] }]);
  bootstrap.set([...configuration, 'operator_logout'], { everybody: { claim: 'groups', any_of: ['security'] } });
  first([...configuration, 'rules'], RULE);
  first([...bootstrap.manager, 'route_config', 'virtual_hosts', 0, 'routes'], ROUTES);
  bootstrap.set([...plugin, 'vm_config', 'vm_id'], 'accredit-fleet');
  bootstrap.set([...plugin, 'vm_config', 'code', 'local', 'filename'], '/etc/accredit/accredit.wasm');
  bootstrap.add([...plugin, 'vm_config', 'environment_variables', 'host_env_keys'], 'REDIS_PASSWORD');
  return [{ path: 'deploy/fleet/envoy.yaml', text: SAID.reduce(said, bootstrap.text(HEAD)) }];
}
