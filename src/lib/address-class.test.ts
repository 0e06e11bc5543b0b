import assert from "node:assert/strict";
import { test } from "node:test";
import { parseAddress } from "./address.ts";
import { type AddressClass, addressClass } from "./address-class.ts";

test("an address leads where its class says, whatever it is wrapped in", () => {
  const cases: { [name in AddressClass]: string } = {
    public:
      "1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 169.253.1.1 192.0.1.1 198.17.0.1 198.20.0.1 223.255.255.255 2606:4700::1111 2a00::1 64:ff9b::808:808 ::ffff:8.8.8.8 2001:4860:4860::8888 2a00::5efe:808:808",
    documentation: "192.0.2.1 198.51.100.7 203.0.113.9 2001:db8::1 3fff::1 3fff:fff::1",
    reserved:
      "240.0.0.1 255.255.255.254 192.0.0.1 192.88.99.1 ::808:808 ::ffff:0:808:808 2002:808:808:: 2001:10::1 2001:20::1 100::1 5f00::1 4000::1 64:ff9b:2::1 64:ff9b::1:0:0 2001:0:808:808::f7f7:f7f7 1::",
    benchmarking: "198.18.0.1 198.19.255.255 2001:2::1 ::ffff:198.18.0.1 64:ff9b::198.18.0.1",
    multicast: "224.0.0.1 239.255.255.255 ff02::1 ff0e::1",
    broadcast: "255.255.255.255 ::ffff:255.255.255.255",
    shared: "100.64.0.1 100.127.255.255",
    private:
      "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 fc00::1 fd00::1 fdff::1 fec0::1 feff::1 ::10.0.0.1 ::ffff:10.0.0.1 ::ffff:0:10.0.0.1 64:ff9b::10.0.0.1 64:ff9b:1::8.8.8.8 64:ff9b:1:808:8:800:: 2002:a00:1:: 2001:0:808:808::f5ff:fffe 2001:0:a00:1::f7f7:f7f7 2a00::5efe:10.0.0.1 2a00::200:5efe:10.0.0.1",
    link_local: "169.254.1.1 fe80::1 febf::1 64:ff9b::169.254.1.1",
    unspecified: "0.0.0.0 0.1.2.3 :: ::ffff:0.0.0.0",
    loopback:
      "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::127.0.0.1 2002:7f00:1:: fe80::5efe:127.0.0.1",
    metadata:
      "169.254.169.254 169.254.170.2 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254 fd20:ce::254 fe80::a9fe:a9fe ::ffff:169.254.169.254 ::169.254.169.254 64:ff9b::169.254.169.254 64:ff9b:1::169.254.169.254 64:ff9b:1:a9fe:a9:fe00:: 64:ff9b:1:a9:fe:a9fe:: 2002:a9fe:a9fe:: 2001:0:808:808::5601:5601",
  };
  for (const [expected, texts] of Object.entries(cases)) {
    for (const text of texts.split(" ")) {
      assert.ok(parseAddress(text), text);
      assert.equal(addressClass(text), expected, text);
    }
  }
});

test("a text that is no address leads nowhere", () => {
  for (const text of ["", "1.2.3", "0x7f.1", "2130706433", "[::1]", "fe80::1%eth0", "localhost"])
    assert.equal(addressClass(text), "reserved", text);
});
