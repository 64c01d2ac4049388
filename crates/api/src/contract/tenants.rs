//! The operations on the tenants of a queue.

use super::operations::{ANY, BODY, COMMAND, DATA, OBJECT, QUERY, STREAM_NAME, json};
use super::parameters::{LIST_CURSOR, QUEUE, STORE, TENANT, TENANTS_LIMIT};
use super::{Access, Description, Method, Response, Scope, Tag};

pub(super) const PUT: Description = Description {
    id: "putTenant",
    method: Method::Put,
    path: "/v1/queues/{queue}/tenants/{tenant}",
    access: Access::admin(Scope::Name),
    tag: Tag::Queues,
    summary: "Set the weight of a tenant",
    description: "Sets the weight by which the tenant gets its share of the claims of the queue, from its next turn on, also for tasks that wait already. Neither the tenant nor the queue need exist yet.",
    parameters: &[&QUEUE, &TENANT, &STORE],
    request: &[json("TenantSettings")],
    response: Response { description: "The new weight.", content: &[json("TenantInForce")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND],
};

pub(super) const GET: Description = Description {
    id: "getTenant",
    method: Method::Get,
    path: "/v1/queues/{queue}/tenants/{tenant}",
    access: Access::read(Scope::Name),
    tag: Tag::Queues,
    summary: "Get a tenant",
    description: "Returns the weight of the tenant, and how many of its tasks wait and run. One that no task has named has weight 1 and no tasks.",
    parameters: &[&QUEUE, &TENANT, &STORE],
    request: &[],
    response: Response { description: "The tenant.", content: &[json("Tenant")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY],
};

pub(super) const DELETE: Description = Description {
    id: "deleteTenant",
    method: Method::Delete,
    path: "/v1/queues/{queue}/tenants/{tenant}",
    access: Access::admin(Scope::Name),
    tag: Tag::Queues,
    summary: "Forget the weight of a tenant",
    description: "Gives the tenant the weight 1 again. Its tasks stay.",
    parameters: &[&QUEUE, &TENANT, &STORE],
    request: &[],
    response: Response {
        description: "The weight from now on.",
        content: &[json("TenantInForce")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, COMMAND],
};

pub(super) const LIST: Description = Description {
    id: "listTenants",
    method: Method::Get,
    path: "/v1/queues/{queue}/tenants",
    access: Access::read(Scope::Name),
    tag: Tag::Queues,
    summary: "List the tenants of a queue",
    description: "Returns one page of the tenants that have unfinished tasks or a weight of their own, in no particular order, and what tasks without a tenant have together.",
    parameters: &[&QUEUE, &LIST_CURSOR, &TENANTS_LIMIT, &STORE],
    request: &[],
    response: Response { description: "The tenants.", content: &[json("TenantList")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY],
};
