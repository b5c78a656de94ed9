// The question whether a client may have what it asks for, which the demo's provider puts where clients register themselves: then anybody's client can ask.
// Whoever may register one must not get a token of a person who has signed in but was never asked.
import { html, page } from './page.mjs';

/** Whether the provider's interaction is such a question. */
export const isConsent = ({ prompt }) => prompt.name === 'consent';

/** The page that puts it: who asks for what, and where the answer goes. */
export async function consentPage(provider, { params, prompt, session }) {
  const client = await provider.Client.find(params.client_id);
  const asked = Object.entries(askedFor(prompt)).map(([resource, scopes]) => html`<dt>${resource}</dt><dd>${scopes.join(', ')}</dd>`);
  return page({
    title: 'Allow?',
    body: html`<h1>Allow?</h1><p class="lead"><b>${client?.clientName ?? params.client_id}</b> wants to do this as <b>${session.accountId}</b></p>
    <form class="card" method="post">
      <dl>${asked}<dt>the answer goes to</dt><dd>${new URL(params.redirect_uri).origin}</dd></dl>
      <p class="row"><button name="action" value="allow">Allow</button>
        <button class="quiet" name="action" value="cancel">Cancel</button></p>
    </form>`,
  });
}

/** The result of a person's yes: a grant of what was asked for. */
export async function consented(provider, { params, prompt, session, grantId }) {
  const grant = (grantId && (await provider.Grant.find(grantId))) || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(' '));
  for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) grant.addResourceScope(resource, scopes.join(' '));
  return { consent: { grantId: await grant.save() } };
}

/** The scopes by resource; those of no resource are about the person. */
const askedFor = ({ details: { missingOIDCScope: own = [], missingResourceScopes: resources = {} } }) => ({
  ...(own.length > 0 && { 'about you': own }),
  ...resources,
});
