//! The root context: reads the plugin configuration in one worker, makes a runner of it, and passes the timer, the replies to the
//! root's calls and new streams on to the runner. It decides nothing.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel};

use crate::config;
use crate::gateway::Gateway;
use crate::shell::calls::reply;
use crate::shell::host::Host;
use crate::shell::host_calls;
use crate::shell::queues::Queues;
use crate::shell::report::{self, Reporter};
use crate::shell::runner::{AT_ONCE, Runner};
use crate::shell::stream::Stream;
use crate::shell::timer;

/// The root context.
pub(super) struct Root {
    id: u32,
    runner: Option<Rc<Runner>>,
    queues: Rc<Queues>,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        Self { id, runner: None, queues: Rc::default() }
    }

    /// Reads the configuration and makes a runner of it.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration or the host, line by line.
    fn load(&self) -> Result<Runner, Vec<String>> {
        let bytes = host_calls::buffer(BufferType::PluginConfiguration, usize::MAX).unwrap_or_default();
        let settings =
            config::load(&bytes, &|name| std::env::var(name).ok()).map_err(|refusals| refusals.lines().collect::<Vec<_>>())?;
        let mut host = Host::probe().map_err(|why| vec![why])?;
        config::check_host(&settings, &host).map_err(|refusals| refusals.lines().collect::<Vec<_>>())?;
        for warning in &settings.warnings {
            report::log(LogLevel::Warn, &format!("accredit: configuration: {warning}"));
        }
        let reporter = Reporter::new(settings.audit.clone(), settings.filter_state);
        let gateway = Gateway::new(&mut host, settings).map_err(|_| vec!["the host gives no random bytes".to_owned()])?;
        Host::start_timer(AT_ONCE).map_err(|why| vec![why])?;
        Ok(Runner::new(self.id, gateway, host, Rc::clone(&self.queues), reporter))
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, _trailers: usize) {
        if let Some(runner) = &self.runner {
            timer::answered(runner, token, reply(headers, body));
        }
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match self.load() {
            Ok(runner) => {
                runner.set_period(AT_ONCE);
                self.runner = Some(Rc::new(runner));
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
        if let Some(runner) = &self.runner {
            timer::tick(runner);
        }
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        let runner = self.runner.as_ref()?;
        Some(Box::new(Stream::new(id, Rc::clone(runner))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
