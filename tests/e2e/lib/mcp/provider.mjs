// An authorization server as MCP clients need one: npm's oidc-provider with resource indicators (RFC 8707), dynamic registration (RFC 7591), and JWTs for
// the resource as access tokens (RFC 9068). People sign in, and say yes to what a client asks; alice may have every scope, bob all but one.

import { startProvider } from '../../../../deploy/demo/provider.mjs';
import { listen } from '../process.mjs';

export const SCOPES = ['notes:read', 'notes:write', 'notes:delete'];
/** The scopes that a person may not have, though a client asks for them. */
const MAY_NOT = { alice: [], bob: ['notes:delete'] };

/** A public client that is registered beforehand. */
export const REGISTERED = { client_id: 'registered-beforehand', token_endpoint_auth_method: 'none' };

/** The client that the gateway itself is, which gets tokens of its own (RFC 6749, section 4.4). Its secret is that of all gateways of the tests. */
export const OURS = {
  client_id: 'the-gateway',
  client_secret: 'demo-secret',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
};

/** A client that is known by the address of its metadata alone (draft-ietf-oauth-client-id-metadata-document). Nothing is there; `fetch` below answers. */
export const DESCRIBED = 'https://agent.example.com/client.json';

const GRANTS = ['authorization_code', 'refresh_token'];
/** Where REGISTERED has its code sent: without a port, because RFC 8252 lets a native client choose that each time. */
const CALLBACKS = ['http://127.0.0.1/callback', 'http://127.0.0.1/oauth/callback'];

/** What the client DESCRIBED says about itself. */
function metadata() {
  const client = { client_id: DESCRIBED, client_name: 'Agent', application_type: 'native', redirect_uris: CALLBACKS };
  return Response.json({ ...client, grant_types: GRANTS, token_endpoint_auth_method: 'none' });
}

export class AuthorizationServer {
  #provider;

  /** All tokens that it has issued. */
  tokens = [];

  constructor() {
    this.behave();
  }

  /** Undoes what a test has changed, and forgets what was recorded. */
  behave() {
    /** What clients registered: the metadata as it was sent. */
    this.registrations = [];
    /** What the token endpoint granted, in order: {client_id, grant_type, resource, scope}. */
    this.grants = [];
    /** The lifetime of access tokens, in seconds. */
    this.lifetime = 600;
    /** The lifetime of the gateway's own tokens, in seconds. */
    this.lifetimeOfOurs = 600;
    /** Makes an access token's audience from the resource that was asked for. */
    this.audienceOf = (resource) => resource;
    /** Resources that nobody gets a token for, as if they were unknown. */
    this.refused = [];
  }

  /** `resources` is a list of the resources that tokens can be asked for. With `describes`, clients may be known by the address of their metadata. */
  static async start({ resources, describes = false }) {
    const server = new AuthorizationServer();
    server.resources = resources;
    server.describes = describes;
    const started = await startProvider({
      port: 0,
      clients: [{ ...REGISTERED, application_type: 'native', redirect_uris: CALLBACKS, grant_types: GRANTS }, OURS],
      configuration: server.#configuration(),
    });
    server.issuer = started.issuer;
    server.port = Number(new URL(started.issuer).port);
    server.stop = () => started.close();
    server.comeBack = () => listen(started.server, server.port);
    server.#provider = started.provider;
    started.provider.use((ctx, next) => server.#consent(ctx, next));
    started.provider.on('grant.success', (ctx) => server.#granted(ctx));
    started.provider.on('registration_create.success', (ctx) => server.registrations.push(ctx.oidc.body));
    return server;
  }

  #configuration() {
    return {
      scopes: ['openid', 'offline_access', ...SCOPES],
      // A client may ask for any scope later, whatever it named when it registered: otherwise none could ask for more than the first refusal named.
      extraClientMetadata: { properties: ['software_id'], validator: (_, _name, _value, metadata) => delete metadata.scope },
      ttl: {
        AccessToken: () => this.lifetime,
        AuthorizationCode: 60,
        ClientCredentials: () => this.lifetimeOfOurs,
        Grant: 3_600,
        IdToken: 600,
        Interaction: 600,
        RefreshToken: 3_600,
        Session: 3_600,
      },
      // Pages of browsers get tokens, too.
      clientBasedCORS: () => true,
      fetch: (url, options) => (String(url) === DESCRIBED ? metadata() : fetch(url, options)),
      issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
      interactions: { url: (_, { uid, prompt }) => (prompt.name === 'consent' ? `/consent/${uid}` : `/interaction/${uid}`) },
      loadExistingGrant: async ({ oidc }) => {
        const id = oidc.result?.consent?.grantId ?? oidc.session.grantIdFor(oidc.client.clientId);
        return id && this.#provider.Grant.find(id);
      },
      features: {
        clientCredentials: { enabled: true },
        clientIdMetadataDocument: { enabled: this.describes, ack: 'draft-02' },
        registration: { enabled: true },
        resourceIndicators: {
          enabled: true,
          useGrantedResource: () => true,
          getResourceServerInfo: (_, resource) => this.#resourceServer(resource),
        },
      },
    };
  }

  async #resourceServer(resource) {
    // Loaded here, because oidc-provider writes warnings when it is loaded, which startProvider hides.
    const { errors } = await import('../../../../deploy/demo/node_modules/oidc-provider/lib/index.js');
    if (!this.resources.includes(resource) || this.refused.includes(resource)) throw new errors.InvalidTarget();
    return { audience: this.audienceOf(resource), scope: SCOPES.join(' '), accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } };
  }

  #granted({ oidc, body }) {
    const { grant_type, resource } = oidc.params;
    this.grants.push({ client_id: oidc.client.clientId, grant_type, resource, scope: body.scope });
    this.tokens.push(body.access_token, body.refresh_token);
  }

  /** Asks a person whether the client may have what it asked for, and grants it, except what this person may not have. */
  async #consent(ctx, next) {
    if (!ctx.path.startsWith('/consent/')) return next();
    const { params, prompt, session, grantId } = await this.#provider.interactionDetails(ctx.req, ctx.res);
    if (ctx.method !== 'POST') {
      ctx.body = `<!doctype html><title>Consent</title><p>${params.client_id} asks for ${params.scope}</p><form method="post"><button name="answer" value="yes">Yes</button></form>`;
      return;
    }
    const { accountId } = session;
    const grant = (grantId && (await this.#provider.Grant.find(grantId))) || new this.#provider.Grant({ accountId, clientId: params.client_id });
    const { missingOIDCScope = [], missingResourceScopes = {} } = prompt.details;
    if (missingOIDCScope.length > 0) grant.addOIDCScope(missingOIDCScope.join(' '));
    for (const [resource, scopes] of Object.entries(missingResourceScopes)) {
      const refused = scopes.filter((scope) => MAY_NOT[accountId].includes(scope));
      grant.addResourceScope(resource, scopes.filter((scope) => !refused.includes(scope)).join(' '));
      if (refused.length > 0) grant.rejectResourceScope(resource, refused.join(' '));
    }
    const result = { consent: { grantId: await grant.save() } };
    ctx.redirect(await this.#provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: true }));
    ctx.status = 303;
  }
}
