// SPDX-License-Identifier: Apache-2.0
// Whom to trust over HTTPS.
#pragma once

#include <filesystem>
#include <string>

namespace enlarge::zoo {

// Places of trusted certificates. What is empty is left to curl.
struct Certificates {
    std::string file;    // many in one file
    std::string folder;  // files named by hashes, as `openssl rehash` makes them
};

// SSL_CERT_FILE and SSL_CERT_DIR come first, as everywhere. Else the places that Linux distributions have, below
// `root`: where curl's library was built they lay in `built_in`, and a carried library meets machines that have them
// elsewhere.
Certificates find_certificates(const std::string& built_in, const std::filesystem::path& root = "/");

}  // namespace enlarge::zoo
