//! Tokens made here as a cluster makes them, and what is wrong with some of them.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use tidegate_config::limits;

use super::*;

const NOW: i64 = 1_790_000_000;
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// A cluster that signs with one key of P-256.
struct Cluster {
    key: EcdsaKeyPair,
    chance: SystemRandom,
}

impl Cluster {
    fn new() -> Self {
        let chance = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &chance).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &chance).unwrap();
        Self { key, chance }
    }

    fn keys(&self) -> JwkSet {
        let point = self.key.public_key().as_ref();
        let [x, y] = [&point[1..33], &point[33..]].map(|number| URL_SAFE_NO_PAD.encode(number));
        let key = json!({"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": x, "y": y});
        let others =
            [json!({"kty": "oct", "kid": "one", "k": "AAAA"}), json!({"kty": "EC", "crv": "P-521", "kid": "big"})];
        JwkSet::read(json!({"keys": [others[0], others[1], key]}).to_string().as_bytes()).unwrap()
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(&self.chance, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "one", "typ": "JWT"})
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": ["other", "tidegate"], "iat": NOW, "nbf": NOW, "exp": NOW + 3_600, "jti": "1",
        "sub": "system:serviceaccount:shop:default",
        "kubernetes.io": {
            "namespace": "shop",
            "node": {"name": "n1", "uid": "8"},
            "pod": {"name": "shop-0", "uid": "7"},
            "serviceaccount": {"name": "default", "uid": "6"},
        },
    })
}

/// Changed at a place, given as a JSON pointer.
fn with(mut value: Value, place: &str, new: Value) -> Value {
    let (parent, field) = place.rsplit_once('/').unwrap();
    let fields = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    if new.is_null() {
        fields.remove(field)
    } else {
        fields.insert(field.into(), new)
    };
    value
}

#[test]
fn a_token_says_whose_it_is() {
    let cluster = Cluster::new();
    let identity = Identity {
        namespace: "shop".into(),
        service_account: "default".into(),
        pod_name: "shop-0".into(),
        pod_uid: "7".into(),
    };
    for (claims, now) in [
        (claims(), NOW),
        (with(claims(), "/aud", json!("tidegate")), NOW),
        (with(claims(), "/nbf", Value::Null), NOW),
        (claims(), NOW - 9),
        (claims(), NOW + 3_609),
    ] {
        let token = cluster.token(&header(), &claims);
        assert_eq!(verify(&token, &cluster.keys(), ISSUER, now), Ok(identity.clone()), "{claims} at {now}");
    }
}

#[test]
fn tokens_that_prove_nothing_are_refused() {
    let cluster = Cluster::new();
    let issuer = || TokenError::Issuer { allowed: ISSUER.into() };
    for (header, claims, now, expected) in [
        (with(header(), "/kid", json!("two")), claims(), NOW, TokenError::UnknownKey),
        (with(header(), "/kid", json!("big")), claims(), NOW, TokenError::UnknownKey),
        (with(header(), "/kid", Value::Null), claims(), NOW, TokenError::Malformed("header")),
        (with(header(), "/alg", json!("none")), claims(), NOW, TokenError::Malformed("algorithm")),
        (with(header(), "/alg", json!("HS256")), claims(), NOW, TokenError::Malformed("algorithm")),
        (with(header(), "/alg", json!("RS256")), claims(), NOW, TokenError::Malformed("algorithm")),
        (
            with(header(), "/crit", json!(["b64"])),
            claims(),
            NOW,
            TokenError::Malformed("header, with extensions that are not known"),
        ),
        (header(), with(claims(), "/iss", json!("https://other")), NOW, issuer()),
        (header(), with(claims(), "/iss", Value::Null), NOW, TokenError::Malformed("claims")),
        (header(), with(claims(), "/aud", json!(["tidegate.dev"])), NOW, TokenError::Audience),
        (header(), with(claims(), "/aud", json!([])), NOW, TokenError::Audience),
        (header(), with(claims(), "/exp", Value::Null), NOW, TokenError::Malformed("claims")),
        (header(), claims(), NOW + 3_610, TokenError::Expired),
        (header(), claims(), NOW - 11, TokenError::NotYet),
        (header(), with(claims(), "/kubernetes.io", Value::Null), NOW, TokenError::Unbound),
        (header(), with(claims(), "/kubernetes.io/pod", Value::Null), NOW, TokenError::Unbound),
    ] {
        let token = cluster.token(&header, &claims);
        let refused = verify(&token, &cluster.keys(), ISSUER, now);
        assert_eq!(refused, Err(expected), "{header} {claims} at {now}");
        assert!(!refused.unwrap_err().to_string().contains(&token[..20]), "a token is not repeated");
    }
}

#[test]
fn nothing_of_a_token_can_be_changed() {
    let cluster = Cluster::new();
    let token = cluster.token(&header(), &claims());
    let other = cluster.token(&header(), &with(claims(), "/kubernetes.io/namespace", json!("kube-system")));
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let [ours, theirs] = [&token, &other].map(|token| parts(token));
    let mixed = format!("{}.{}.{}", ours[0], theirs[1], ours[2]);
    assert_eq!(verify(&mixed, &cluster.keys(), ISSUER, NOW), Err(TokenError::Signature));
    let foreign = Cluster::new().token(&header(), &claims());
    assert_eq!(verify(&foreign, &cluster.keys(), ISSUER, NOW), Err(TokenError::Signature));
    let unsigned = format!("{}.{}.", ours[0], ours[1]);
    assert_eq!(verify(&unsigned, &cluster.keys(), ISSUER, NOW), Err(TokenError::Signature));
    for bad in ["", ".", "..", "a.b", "a.b.c", &token[1..], &format!("{token}.a")] {
        assert!(verify(bad, &cluster.keys(), ISSUER, NOW).is_err(), "{bad}");
    }
}

/// The example of RFC 7515 §A.2, whose signer nobody here has the key of.
#[test]
fn a_signature_of_rsa_is_known() {
    let modulus = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yR\
                   T-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXB\
                   dQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9ia\
                   GNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let keys = json!({"keys": [{"kty": "RSA", "kid": "rfc", "n": modulus, "e": "AQAB"}]}).to_string();
    let signed = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y\
                  b290Ijp0cnVlfQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9u\
                     JdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_\
                     eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqV\
                     t5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let keys = JwkSet::read(keys.as_bytes()).unwrap();
    let key = keys.find("rfc").unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert_eq!(key.algorithm(), "RS256");
    assert!(key.has_signed(signed.as_bytes(), &signature));
    assert!(!key.has_signed(&signed.as_bytes()[1..], &signature));
}

#[test]
fn sets_of_keys_are_read_or_refused() {
    let many = json!({"keys": vec![json!({"kty": "RSA"}); limits::TOKEN_KEYS_MAX + 1]}).to_string();
    for bad in ["", "[]", "{}", "{\"keys\": 1}", &many] {
        assert!(JwkSet::read(bad.as_bytes()).is_err(), "{bad:.40}");
    }
    assert!(JwkSet::read(b"{\"keys\": []}").unwrap().is_empty());
}

#[tokio::test]
async fn without_keys_nobody_is_turned_away_for_good() {
    let cluster = Cluster::new();
    let (sender, keys) = watch::channel(JwkSet::default());
    let tokens = Tokens::new(ISSUER, keys);
    assert!(matches!(tokens.authenticate("a").await, Err(Denied::NotReady(_))));
    sender.send_replace(cluster.keys());
    assert!(matches!(tokens.authenticate("a").await, Err(Denied::Unauthenticated(_))));
    let long = with(with(claims(), "/exp", json!(i64::MAX)), "/nbf", Value::Null);
    assert!(tokens.authenticate(&cluster.token(&header(), &long)).await.is_ok());
}
