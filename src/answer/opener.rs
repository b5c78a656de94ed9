//! The message from a page in a popup to the page that opened it (`window.opener`), after which the popup closes. The message
//! goes to one origin and to nobody else. Its content stands in the page as data, and is never run. Who gets a message, and
//! which, is decided elsewhere.

use crate::http::url::Origin;
use crate::words::secret::Secret;

/// The only script that runs in such a page. It removes the data from the page before it does anything else.
pub(super) const SCRIPT: &str = "{const data=document.getElementById('message');const {origin,message}=JSON.parse(data.textContent);\
data.remove();if(window.opener){window.opener.postMessage(message,origin);window.close()}}";

/// A message for the page that opened the popup, as it stands in ours. It is not printed, because it may contain a token.
#[derive(Clone, Debug)]
pub struct OpenerMessage(Secret);

impl OpenerMessage {
    /// A message to a page on this origin; `json` is its content.
    pub fn new(origin: &Origin, json: &str) -> Self {
        // An origin has no character that JSON escapes.
        let mut data = ["{\"origin\":\"", &origin.to_string(), "\",\"message\":", json, "}"].concat();
        // In JSON these characters stand inside of strings alone. If they are escaped, nothing can end the element or begin a
        // comment in it.
        for (character, escaped) in
            [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")]
        {
            data = data.replace(character, escaped);
        }
        Self(Secret::new(data))
    }

    /// The elements for the end of the page's body.
    pub(super) fn html(&self) -> String {
        ["<script type=\"application/json\" id=\"message\">", self.0.expose(), "</script><script>", SCRIPT, "</script>"].concat()
    }
}

#[cfg(test)]
mod tests;
