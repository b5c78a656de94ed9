//! The root: one plugin configuration in one worker is read, and a house made of it; then its timer, its calls and its streams are
//! the house's.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel};

use crate::config;
use crate::gateway::Gateway;
use crate::shell::calls::reply;
use crate::shell::host::Host;
use crate::shell::host_calls;
use crate::shell::house::{AT_ONCE, House};
use crate::shell::queues::Queues;
use crate::shell::report;
use crate::shell::stream::Stream;

/// The root context.
pub(super) struct Root {
    id: u32,
    house: Option<Rc<House>>,
    queues: Rc<Queues>,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { id, house: None, queues: Rc::default() }
    }

    /// Everything that is wrong, line by line, where something is.
    fn load(&self) -> Result<House, Vec<String>> {
        let bytes = host_calls::buffer(BufferType::PluginConfiguration, usize::MAX).unwrap_or_default();
        let settings =
            config::load(&bytes, &|name| std::env::var(name).ok()).map_err(|refusals| refusals.lines().collect::<Vec<_>>())?;
        let mut host = Host::probe().map_err(|why| vec![why])?;
        config::check_host(&settings, &host).map_err(|refusals| refusals.lines().collect::<Vec<_>>())?;
        for warning in &settings.warnings {
            report::log(LogLevel::Warn, &format!("accredit: configuration: {warning}"));
        }
        let filter_state = settings.filter_state;
        let gateway = Gateway::new(&mut host, settings).map_err(|_| vec!["the host gives no random bytes".to_owned()])?;
        Host::start_timer(AT_ONCE).map_err(|why| vec![why])?;
        Ok(House::new(self.id, gateway, host, Rc::clone(&self.queues), filter_state))
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _trailers: usize) {
        if let Some(house) = &self.house {
            house.answered(token, reply(headers, body));
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.load() {
            Ok(house) => {
                house.look_after(AT_ONCE);
                self.house = Some(Rc::new(house));
                true
            }
            Err(lines) => {
                for line in lines {
                    report::log(LogLevel::Critical, &format!("accredit: configuration refused: {line}"));
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(house) = &self.house {
            house.tick();
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let house = self.house.as_ref()?;
        Some(Box::new(Stream::new(id, Rc::clone(house))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
