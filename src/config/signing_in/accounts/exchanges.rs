//! The four questions to the user service, `verify`, `find`, `create` and `notify`: which gaps and statuses each has. How a call
//! is addressed is not known here.

use crate::accounts::call::Call;
use crate::accounts::credentials::Verify;
use crate::accounts::directory::{Create, Find};
use crate::accounts::template::{Gap, Kind};
use crate::config::reading::refusal::{Checked, Refusals};
use crate::config::signing_in::accounts::call::{Defaults, call, check_fields, statuses, user};
use crate::config::signing_in::accounts::written::Exchange;

/// Checks `accounts.verify`, which asks whether a name and a password are right.
pub(super) fn verify(mut shape: Exchange, defaults: &mut Defaults, refusals: &mut Refusals) -> Checked<Verify> {
    let path = "accounts.verify";
    let fields = check_fields(path, &shape, &["user", "succeeded", "refused"], refusals);
    let [succeeded, refused] = [&mut shape.succeeded, &mut shape.refused].map(|list| std::mem::replace(list, Ok(None)));
    let statuses = statuses(path, ("succeeded", succeeded, &[200]), ("refused", refused, &[400, 401, 404]), refusals);
    let place = user(std::mem::replace(&mut shape.user, Ok(None)));
    let call = call(path, shape, defaults, |gap| matches!(gap, Gap::Account | Gap::Password), refusals)?;
    let in_body = call.body.as_ref().is_some_and(|body| body.has(&|gap| *gap == Gap::Password));
    if call.path.has(&|gap| *gap == Gap::Password) {
        let sentence = "expected no {password}, because servers write paths to their logs, found one; move it to the body";
        return Err(refusals.refuse("accounts.verify.path", sentence));
    }
    if !in_body || !call.has(&|gap| *gap == Gap::Account) {
        let sentence =
            "expected {account} and {password}, found not both; write body: {username: \"{account}\", password: \"{password}\"}";
        return Err(refusals.refuse("accounts.verify.body", sentence));
    }
    fields?;
    let (succeeded, refused) = statuses?;
    Ok(Verify { call, succeeded, refused, user: place? })
}

/// Checks `accounts.find`, which asks for the user who signed in at a provider.
pub(super) fn find(mut shape: Exchange, defaults: &mut Defaults, refusals: &mut Refusals) -> Checked<Find> {
    let path = "accounts.find";
    let fields = check_fields(path, &shape, &["user", "found", "absent"], refusals);
    let [found, absent] = [&mut shape.found, &mut shape.absent].map(|list| std::mem::replace(list, Ok(None)));
    let statuses = statuses(path, ("found", found, &[200]), ("absent", absent, &[404]), refusals);
    let place = user(std::mem::replace(&mut shape.user, Ok(None)));
    let call = call(path, shape, defaults, |gap| matches!(gap, Gap::Claim(_, Kind::Scalar)), refusals)?;
    if !call.has(&|_| true) {
        let sentence = "expected a gap that says who is looked for, found none; write /users/{claims.sub}";
        return Err(refusals.refuse("accounts.find.path", sentence));
    }
    fields?;
    let (found, absent) = statuses?;
    Ok(Find { call, found, absent, user: place? })
}

/// Checks `accounts.create`, which asks for a new user.
pub(super) fn create(mut shape: Exchange, defaults: &mut Defaults, refusals: &mut Refusals) -> Checked<Create> {
    let path = "accounts.create";
    let fields = check_fields(path, &shape, &["user", "created", "conflict"], refusals);
    let [created, conflict] = [&mut shape.created, &mut shape.conflict].map(|list| std::mem::replace(list, Ok(None)));
    let statuses = statuses(path, ("created", created, &[200, 201]), ("conflict", conflict, &[409]), refusals);
    let place = user(std::mem::replace(&mut shape.user, Ok(None)));
    let call = call(path, shape, defaults, |gap| matches!(gap, Gap::Claim(..) | Gap::RandomPassword), refusals);
    fields?;
    let (created, conflict) = statuses?;
    Ok(Create { call: call?, created, conflict, user: place? })
}

/// Checks `accounts.notify`, which tells a service about a new user.
pub(super) fn notify(shape: Exchange, defaults: &mut Defaults, refusals: &mut Refusals) -> Checked<Call> {
    let path = "accounts.notify";
    let fields = check_fields(path, &shape, &[], refusals);
    let call = call(path, shape, defaults, |gap| matches!(gap, Gap::Claim(..) | Gap::User(_)), refusals);
    fields?;
    call
}
