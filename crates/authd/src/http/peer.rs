//! Who is at the other end of a connection, as far as counting goes (threats LC-10, LC-14).

use std::net::{IpAddr, Ipv4Addr};

/// Whose addresses the connections of a listener have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Of the people and programs that ask.
    People,
    /// Of a proxy in front of us, which asks for everybody.
    Proxy,
}

impl Peers {
    /// What is known about who is at this address.
    pub fn at(self, address: IpAddr) -> Peer {
        match self {
            Self::People => Peer::Person(address),
            Self::Proxy => Peer::Proxy,
        }
    }
}

/// The other end of a request's connection. No forwarded header is ever read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Somebody at this address.
    Person(IpAddr),
    /// Anybody at all: a proxy stands between.
    Proxy,
}

/// The address that is counted alone, whatever the names: one of version 4, which is often a whole household's or
/// office's; a /56 of version 6, which is what one customer usually has.
pub fn counted_address(address: IpAddr) -> String {
    match version_4(address) {
        Some(address) => address.to_string(),
        None => counted_network(address),
    }
}

/// The network that is counted together for one name: a /24 of version 4 or a /56 of version 6.
pub fn counted_network(address: IpAddr) -> String {
    match (version_4(address), address) {
        (Some(address), _) | (None, IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        (None, IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{:x}::/56", d & 0xff00)
        }
    }
}

/// The address of version 4 that this one is, maps, or is the translation of: all of version 4 is behind one /56 of
/// version 6 for who listens behind a translator (RFC 4291 §2.5.5.2; RFC 6052 §2.1).
fn version_4(address: IpAddr) -> Option<Ipv4Addr> {
    let address = match address.to_canonical() {
        IpAddr::V4(address) => return Some(address),
        IpAddr::V6(address) => address,
    };
    match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> String {
        counted_network(text.parse().unwrap())
    }

    fn address(text: &str) -> String {
        counted_address(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_one_network_count_together() {
        assert_eq!(network("192.0.2.7"), network("192.0.2.200"));
        assert_eq!(network("192.0.2.7"), network("::ffff:192.0.2.8"), "one written as the other");
        assert_ne!(network("192.0.2.7"), network("192.0.3.7"));
        assert_eq!(network("2001:db8:1:200::1"), network("2001:db8:1:2ff:ffff::9"));
        assert_ne!(network("2001:db8:1:200::1"), network("2001:db8:1:300::1"));
    }

    #[test]
    fn a_single_address_of_version_4_counts_alone_and_a_customers_of_version_6_together() {
        assert_ne!(address("192.0.2.7"), address("192.0.2.8"));
        assert_eq!(address("192.0.2.7"), address("::ffff:192.0.2.7"));
        assert_eq!(address("2001:db8:1:200::1"), address("2001:db8:1:2ff:ffff::9"));
        assert_ne!(address("2001:db8:1:200::1"), address("2001:db8:1:300::1"));
    }

    //= RFC 6052 §2.1
    #[test]
    fn behind_a_translator_the_address_of_version_4_counts() {
        assert_eq!(address("64:ff9b::192.0.2.7"), address("192.0.2.7"));
        assert_ne!(address("64:ff9b::192.0.2.7"), address("64:ff9b::198.51.100.7"));
        assert_eq!(network("64:ff9b::192.0.2.7"), network("192.0.2.9"));
        // Not the well-known prefix: an operator's own may mean anything.
        assert_eq!(address("64:ff9b:1::192.0.2.7"), address("64:ff9b:1::198.51.100.7"));
    }

    #[test]
    fn behind_a_proxy_nobody_has_an_address() {
        let one = Ipv4Addr::LOCALHOST.into();
        assert_eq!(Peers::Proxy.at(one), Peer::Proxy);
        assert_eq!(Peers::People.at(one), Peer::Person(one));
    }
}
