// SPDX-License-Identifier: Apache-2.0
#include "zoo/certificates.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace enlarge {
namespace {

namespace fs = std::filesystem;
constexpr char kDebian[] = "/etc/ssl/certs/ca-certificates.crt";

// A file system of the test's own, and nothing said by the user.
class certificates : public ::testing::Test {
protected:
    void SetUp() override {
        char name[] = "/tmp/enlarge-certificates-XXXXXX";
        root_ = mkdtemp(name);
        unsetenv("SSL_CERT_FILE");
        unsetenv("SSL_CERT_DIR");
    }
    void TearDown() override {
        fs::remove_all(root_);
        unsetenv("SSL_CERT_FILE");
        unsetenv("SSL_CERT_DIR");
    }
    void put(const std::string& place) const {
        const fs::path path = root_ / fs::path(place).relative_path();
        fs::create_directories(path.parent_path());
        std::ofstream(path) << "certificate\n";
    }
    [[nodiscard]] std::string file(const std::string& built_in = kDebian) const {
        return zoo::find_certificates(built_in, root_).file;
    }
    fs::path root_;
};

TEST_F(certificates, are_left_to_curl_where_its_own_place_is_there) {
    put(kDebian);
    EXPECT_EQ(file(), "");
    EXPECT_EQ(zoo::find_certificates(kDebian, root_).folder, "");
}

TEST_F(certificates, are_found_where_other_distributions_have_them) {
    EXPECT_EQ(file(), "");  // there are none at all
    for (const char* place : {"/etc/ssl/cert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
                              "/etc/ssl/ca-bundle.pem", "/etc/pki/tls/certs/ca-bundle.crt"}) {
        put(place);  // the later come first
        EXPECT_EQ(file(), root_.string() + place);
    }
    put(kDebian);
    EXPECT_EQ(file("/usr/local/ssl/cert.pem"), root_.string() + kDebian);
    EXPECT_EQ(file(""), root_.string() + kDebian);
}

TEST_F(certificates, are_first_where_the_environment_says) {
    put(kDebian);
    setenv("SSL_CERT_FILE", "/my/own.pem", 1);
    EXPECT_EQ(file(), "/my/own.pem");
    unsetenv("SSL_CERT_FILE");
    setenv("SSL_CERT_DIR", "/my/certs", 1);
    EXPECT_EQ(zoo::find_certificates(kDebian, root_).folder, "/my/certs");
    EXPECT_EQ(file(), "");  // the file of all stays beside it
    fs::remove_all(root_ / "etc");
    put("/etc/ssl/cert.pem");
    EXPECT_EQ(file(), root_.string() + "/etc/ssl/cert.pem");
    setenv("SSL_CERT_FILE", "", 1);  // set to nothing: as if it were not
    EXPECT_EQ(file(), root_.string() + "/etc/ssl/cert.pem");
}

}  // namespace
}  // namespace enlarge
