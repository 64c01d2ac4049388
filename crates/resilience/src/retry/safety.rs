//! Which calls may be made twice.

/// May a call be made twice? (RFC 9110 calls *safe* what only reads; this is the wider *idempotent*.)
///
/// ```
/// use mainstay_resilience::retry::{IdempotencyKey, Safety};
///
/// assert_eq!(Safety::of_http("DELETE", IdempotencyKey::Missing), Safety::Safe);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Safety {
    /// Twice has the effect of once.
    Safe,
    /// Twice may charge a card twice.
    Unsafe,
}

/// Does the request name its one intended effect?
///
/// ```
/// use mainstay_resilience::retry::{IdempotencyKey, Safety};
///
/// let headers = [("content-type", "application/json"), ("idempotency-key", "order-17")];
/// let key = match headers.iter().find(|(name, _)| *name == "idempotency-key") {
///     Some(_) => IdempotencyKey::Present,
///     None => IdempotencyKey::Missing,
/// };
/// assert_eq!(Safety::of_http("PATCH", key), Safety::Safe);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdempotencyKey {
    /// It does: whoever gets it twice does it once.
    Present,
    /// It does not.
    Missing,
}

impl Safety {
    /// What HTTP says of it: a method that is idempotent (RFC 9110, section 9.2.2), or a key that makes it so.
    ///
    /// ```
    /// use mainstay_resilience::retry::{IdempotencyKey, Safety};
    ///
    /// assert_eq!(Safety::of_http("PUT", IdempotencyKey::Missing), Safety::Safe);
    /// assert_eq!(Safety::of_http("POST", IdempotencyKey::Missing), Safety::Unsafe);
    /// assert_eq!(Safety::of_http("POST", IdempotencyKey::Present), Safety::Safe);
    /// ```
    #[must_use]
    pub fn of_http(method: &str, key: IdempotencyKey) -> Self {
        // Methods are case-sensitive (section 9.1).
        let is_idempotent = matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE");
        if is_idempotent || key == IdempotencyKey::Present { Self::Safe } else { Self::Unsafe }
    }
}
