//! Which calls are safe to repeat.

/// Whether a call is safe to repeat.
///
/// This is what RFC 9110 (section 9.2.2) calls *idempotent*. Its word *safe* is narrower: it means read-only.
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
    /// Repeating the call has the same effect as making it once.
    Safe,
    /// Repeating the call may have a second effect, such as charging a card twice.
    Unsafe,
}

/// Whether a request carries an idempotency key.
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
    /// It does, so the server applies it once however often it arrives.
    Present,
    /// It does not.
    Missing,
}

impl Safety {
    /// The safety of an HTTP request: safe if its method is idempotent (RFC 9110, section 9.2.2) or if it
    /// carries an idempotency key.
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
        // Methods are case-sensitive (RFC 9110, section 9.1).
        let is_idempotent = matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE");
        if is_idempotent || key == IdempotencyKey::Present { Self::Safe } else { Self::Unsafe }
    }
}
