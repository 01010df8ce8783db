// SPDX-License-Identifier: Apache-2.0
#include "zoo/certificates.hpp"

#include <unistd.h>

#include <cstdlib>

namespace enlarge::zoo {
namespace {

std::string named_by(const char* variable) {
    const char* value = std::getenv(variable);
    return value ? value : "";
}

bool readable(const std::filesystem::path& root, const std::string& place) {
    return !place.empty() && ::access((root / std::filesystem::path(place).relative_path()).c_str(), R_OK) == 0;
}

}  // namespace

Certificates find_certificates(const std::string& built_in, const std::filesystem::path& root) {
    Certificates found{named_by("SSL_CERT_FILE"), named_by("SSL_CERT_DIR")};
    if (!found.file.empty() || readable(root, built_in)) return found;
    for (const char* place : {"/etc/ssl/certs/ca-certificates.crt",                  // Debian, Arch, Gentoo
                              "/etc/pki/tls/certs/ca-bundle.crt",                    // Fedora to 42, RHEL
                              "/etc/ssl/ca-bundle.pem",                              // openSUSE
                              "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",   // Fedora, RHEL
                              "/etc/ssl/cert.pem"})                                  // Alpine
        if (readable(root, place)) {
            found.file = (root / std::filesystem::path(place).relative_path()).string();
            break;
        }
    return found;
}

}  // namespace enlarge::zoo
