//! Certificates made for a test, and a client's side of TLS that takes any and tells which it got.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};

use super::clock::DEADLINE;

/// A self-signed certificate (ECDSA P-256) and its key.
pub(crate) struct Made {
    /// In PEM form.
    pub(crate) certificate: String,
    /// In PEM form.
    pub(crate) key: String,
    /// What a client sees of it.
    pub(crate) der: CertificateDer<'static>,
}

impl Made {
    /// A certificate for these DNS names.
    pub(crate) fn of(names: &[&str]) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        Self { certificate: cert.pem(), key: signing_key.serialize_pem(), der: cert.der().clone() }
    }

    /// As a configuration has it, in YAML.
    pub(crate) fn yaml(&self) -> String {
        let quoted = |text: &str| format!("{text:?}");
        format!("{{certificate: {}, key: {}}}", quoted(&self.certificate), quoted(&self.key))
    }
}

/// What a client wants of TLS.
pub(crate) struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Offers these protocols by ALPN, and TLS 1.2 and 1.3. It resumes its sessions.
    pub(crate) fn offering(protocols: &[&str]) -> Self {
        Self::with(&[&rustls::version::TLS13, &rustls::version::TLS12], protocols)
    }

    /// Speaks these versions.
    pub(crate) fn with(versions: &[&'static rustls::SupportedProtocolVersion], protocols: &[&str]) -> Self {
        let provider = Arc::new(ring::default_provider());
        let anyone = Arc::new(Anyone(Arc::clone(&provider)));
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let builder = builder.dangerous().with_custom_certificate_verifier(anyone);
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Self(Arc::new(config))
    }

    /// For those who make their connections otherwise.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }

    /// Connects, and asks for a host by SNI; the error where the handshake fails.
    pub(crate) fn connect(&self, address: SocketAddr, host: &str) -> io::Result<Session> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut session = ClientConnection::new(self.config(), name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(StreamOwned::new(session, stream))
    }
}

/// A connection after its handshake.
pub(crate) type Session = StreamOwned<ClientConnection, TcpStream>;

/// The certificate that a client got.
pub(crate) fn met(session: &Session) -> CertificateDer<'static> {
    session.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

/// Trusts everybody who has the key of the certificate shown.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
