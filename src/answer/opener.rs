//! What a page of ours tells the page that opened its window, and then the window closes. The message goes to one origin and to
//! nobody else; what is in it stands in the page as data, and is never run. Who is told, and what, is not decided here.

use crate::http::url::Origin;
use crate::words::secret::Secret;

/// All that runs in such a page. The data is gone from the page before anything else happens.
pub(super) const SCRIPT: &str = "{const data=document.getElementById('message');const {origin,message}=JSON.parse(data.textContent);\
data.remove();if(window.opener){window.opener.postMessage(message,origin);window.close()}}";

/// A message for the page that opened the window, as it stands in ours. It may hold a token, and does not print.
#[derive(Clone, Debug)]
pub struct OpenerMessage(Secret);

impl OpenerMessage {
    /// A message, as JSON, for that origin.
    pub fn new(origin: &Origin, json: &str) -> Self {
        // An origin has nothing in it that a JSON text would escape.
        let mut data = ["{\"origin\":\"", &origin.to_string(), "\",\"message\":", json, "}"].concat();
        // In JSON these stand in texts alone. Escaped, nothing can end the element, and nothing begins a comment in it.
        for (character, escaped) in
            [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")]
        {
            data = data.replace(character, escaped);
        }
        Self(Secret::new(data))
    }

    /// The end of the page's body.
    pub(super) fn html(&self) -> String {
        ["<script type=\"application/json\" id=\"message\">", self.0.expose(), "</script><script>", SCRIPT, "</script>"].concat()
    }
}

#[cfg(test)]
mod tests;
