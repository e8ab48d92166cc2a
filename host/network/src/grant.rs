//! The endpoints of a run, and which of them a call means.

use hostler_capability::{Binding, CapabilityError, Error, Grant, Resource, RunContext};
use hostler_configuration::EndpointResource;
use hostler_policy::endpoint::{Endpoint, check_network};

/// An endpoint that is bound to a request.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    pub(crate) request: String,
    pub(crate) many: bool,
    /// The resource's name.
    pub(crate) name: String,
    pub(crate) endpoint: Endpoint,
    pub(crate) resource: EndpointResource,
    pub(crate) methods: Vec<String>,
}

impl Bound {
    /// The endpoints of one binding.
    ///
    /// # Errors
    /// Where the resource's configuration is wrong.
    pub(crate) fn of(binding: &Binding) -> Result<Vec<Self>, CapabilityError> {
        let Grant::Endpoint(methods) = &binding.grant else { return Ok(vec![]) };
        let mut bound = Vec::new();
        for target in &binding.targets {
            let Resource::Endpoint(resource) = &target.resource else { continue };
            let wrong =
                |problem: String| CapabilityError::Resource { resource: format!("endpoint.{}", target.name), problem };
            let endpoint = Endpoint::parse(&resource.url).map_err(|refusal| wrong(refusal.to_string()))?;
            for network in &resource.networks {
                check_network(network).map_err(|refusal| wrong(format!("networks: {refusal}")))?;
            }
            bound.push(Self {
                request: binding.request.clone(),
                many: binding.many,
                name: target.name.clone(),
                endpoint,
                resource: resource.clone(),
                methods: methods.clone(),
            });
        }
        Ok(bound)
    }

    /// `endpoint.NAME`, which stands for the address.
    pub(crate) fn label(&self) -> String {
        format!("endpoint.{}", self.name)
    }

    /// The request, with the target where it takes many.
    pub(crate) fn request(&self) -> String {
        if self.many { format!("{}/{}", self.request, self.name) } else { self.request.clone() }
    }

    /// What is wrong with it, in words for the plugin and the operator.
    pub(crate) fn unavailable(&self, words: impl std::fmt::Display) -> Error {
        Error::Unavailable(format!("{}: {words}", self.label()))
    }
}

/// The endpoint that a call means.
///
/// # Errors
/// `denied`, recorded.
pub(crate) fn find<'a>(
    all: &'a [Bound],
    context: &RunContext,
    request: &str,
    target: Option<&str>,
    operation: &str,
) -> Result<&'a Bound, Error> {
    let shortened = &request[..request.floor_char_boundary(128)];
    let deny = |rule: &str| context.deny(shortened, operation, rule);
    let mut bound = all.iter().filter(|bound| bound.request == request).peekable();
    match (bound.peek().map(|bound| bound.many), target) {
        (None, _) => Err(deny("no endpoint is bound to this request")),
        (Some(true), None) => Err(deny("the request takes many endpoints: name a target")),
        (Some(false), Some(name)) if bound.peek().is_some_and(|bound| bound.name != name) => {
            Err(deny("the request takes one endpoint, and the target names another"))
        }
        (Some(_), None) => bound.next().ok_or_else(|| deny("no endpoint is bound to this request")),
        (Some(_), Some(name)) => {
            bound.find(|bound| bound.name == name).ok_or_else(|| deny("the target is none of the request's"))
        }
    }
}
