//! The endpoints and everything that people sign in with beside a provider: the user service, name and password, popups. Each is
//! checked in its own file; here it is only gathered what they need of each other.

use crate::config::access::endpoints::{Answered, EndpointsShape, FrontEnd, endpoints};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::reading::values::{either, is_written};
use crate::config::settings::{Password, Popup};
use crate::config::signing_in::accounts::written::AccountsShape;
use crate::config::signing_in::accounts::{Accounts, accounts, check_providers};
use crate::config::signing_in::password::{self, PasswordShape, password};
use crate::config::signing_in::popup::{self, PopupShape, popup};
use crate::config::whole::ground::Ground;
use crate::config::whole::keys::Keys;

/// These parts, as they are written.
pub(super) struct Written {
    pub(super) endpoints: Checked<EndpointsShape>,
    pub(super) accounts: Checked<Option<AccountsShape>>,
    pub(super) password: Checked<Option<PasswordShape>>,
    pub(super) popup: Checked<Option<PopupShape>>,
}

/// The same parts, checked.
pub(super) struct SigningIn {
    pub(super) accounts: Accounts,
    pub(super) password: Checked<Option<Password>>,
    pub(super) popup: Checked<Option<Popup>>,
    pub(super) answered: Answered,
    /// Whether there are sessions in cookies.
    pub(super) cookies: Checked<bool>,
}

impl SigningIn {
    /// Checks all of them.
    pub(super) fn new(written: Written, ground: &Ground, keys: &mut Keys, refusals: &mut Refusals) -> Self {
        let accounts = accounts(written.accounts, &mut keys.secrets, refusals);
        check_providers(&accounts, &ground.providers, refusals);
        let tokens = ground.tokens;
        let context =
            password::Context { endpoint: ground.by_password, accounts: &accounts, providers: &ground.providers, tokens };
        let password = password(written.password, &context, refusals);
        let in_cookies = password.as_ref().map(|password| password.as_ref().is_some_and(|password| password.delivery.cookie));
        let cookies = either(ground.has_providers(), in_cookies.map_err(|refused| *refused));
        let has_popup = match &written.endpoints {
            Ok(endpoints) => is_written(&endpoints.popup),
            Err(refused) => Err(*refused),
        };
        let answered = answered(written.endpoints, ground, keys, refusals);
        let context =
            popup::Context { endpoint: has_popup, listed_origins: &ground.listed_origins, tokens, looks_up: accounts.looks_up };
        let popup = popup(written.popup, &context, refusals);
        Self { accounts, password, popup, answered, cookies }
    }

    /// The names and the paths that are answered before any rule: the endpoints, and with several providers the paths of each.
    pub(super) fn paths(&self, ground: &Ground) -> Vec<(&'static str, String)> {
        let mut paths = self.answered.good.clone();
        if ground.providers.signing_in().is_ok_and(|count| count > 1) {
            for (endpoint, base) in &self.answered.of_each {
                let names = ground.providers.readable().filter(|(_, listed)| listed.signs_in == Ok(true));
                let names = names.filter_map(|(_, listed)| listed.name.as_ref().ok());
                paths.extend(names.map(|name| (*endpoint, format!("{base}/{name}"))));
            }
        }
        paths
    }
}

/// Checks the endpoints, and what a front end needs that keeps its own token.
fn answered(shape: Checked<EndpointsShape>, ground: &Ground, keys: &Keys, refusals: &mut Refusals) -> Answered {
    let shape = match shape {
        Ok(shape) => shape,
        Err(refused) => return Answered { endpoints: Err(refused), of_each: Vec::new(), good: Vec::new() },
    };
    let (authorize, token) = (is_written(&shape.authorize), is_written(&shape.token));
    let public_keys = is_written(&keys.published);
    ground.providers.check_frame_ancestors(is_written(&shape.frontchannel_logout), refusals);
    let answered = endpoints(shape, ground.sign_in_providers(), public_keys, refusals);
    FrontEnd { authorize, token, answered: &answered.good, listed_origins: &ground.listed_origins }
        .check(&ground.providers, refusals);
    answered
}
