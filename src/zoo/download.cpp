// SPDX-License-Identifier: Apache-2.0
#include "zoo/download.hpp"

#include <curl/curl.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "zoo/certificates.hpp"

namespace enlarge::zoo {
namespace {

constexpr long kConnectSeconds = 20;
constexpr long kStallSeconds = 30;  // less than one byte per second for so long: the connection is dead
constexpr long kMostRedirects = 8;

class File {
public:
    explicit File(int descriptor) : descriptor_(descriptor) {}
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    ~File() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    [[nodiscard]] int get() const { return descriptor_; }

private:
    int descriptor_;
};

// Keeps SIGPIPE from this thread: OpenSSL writes to connections that the server has closed, and a library may not end
// the program for that. A signal that came meanwhile is taken away, unless one was already waiting.
class NoBrokenPipe {
public:
    NoBrokenPipe() {
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        sigset_t waiting;
        sigpending(&waiting);
        was_waiting_ = sigismember(&waiting, SIGPIPE) == 1;
        pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    NoBrokenPipe(const NoBrokenPipe&) = delete;
    NoBrokenPipe& operator=(const NoBrokenPipe&) = delete;
    ~NoBrokenPipe() {
        constexpr timespec kNow{0, 0};
        if (!was_waiting_)
            while (sigtimedwait(&pipe_, nullptr, &kNow) < 0 && errno == EINTR) {
            }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

private:
    sigset_t pipe_{}, before_{};
    bool was_waiting_ = false;
};

// The state of one request, seen by libcurl's callbacks.
struct Transfer {
    CURL* curl = nullptr;
    int file = -1;
    std::int64_t asked_from = 0;  // where the Range request starts
    std::int64_t have = 0;        // bytes in the file
    std::int64_t bytes = 0;
    std::int64_t range_start = -1;  // what Content-Range says
    bool accepted = false;        // the answer's status and size have been looked at
    const std::string* address = nullptr;
    const PullProgress* progress = nullptr;
    std::optional<Error> error;

    bool fail(Errc code, std::string message) {
        if (!error) error = Error{code, std::move(message)};
        return false;
    }
};

Error system_error(const std::string& what) { return {Errc::io, what + ": " + std::strerror(errno)}; }

// Looks at the answer before its first byte is stored.
bool accept_answer(Transfer& t) {
    long status = 0;
    curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 206 && t.asked_from > 0) {
        if (t.range_start != t.asked_from)
            return t.fail(Errc::network, "the server sends bytes from " + std::to_string(t.range_start) + "; " +
                                             std::to_string(t.asked_from) + " asked for");
    } else if (status == 200) {
        t.have = 0;  // a server without ranges starts over
        if (::ftruncate(t.file, 0) != 0 || ::lseek(t.file, 0, SEEK_SET) < 0) {
            t.error = system_error("the partial file cannot be emptied");
            return false;
        }
    } else {
        return t.fail(Errc::network, *t.address + ": the server answered " + std::to_string(status) +
                                         (status == 404 ? ", there is no such file" : ""));
    }
    curl_off_t length = -1;
    curl_easy_getinfo(t.curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length >= 0 && t.have + length != t.bytes)
        return t.fail(Errc::format, "the server's file has " + std::to_string(t.have + length) + " bytes; " +
                                        std::to_string(t.bytes) + " expected");
    t.accepted = true;
    return true;
}

std::size_t on_body(const char* data, std::size_t, std::size_t count, void* user) {
    Transfer& t = *static_cast<Transfer*>(user);
    if (!t.accepted && !accept_answer(t)) return 0;
    if (static_cast<std::int64_t>(count) > t.bytes - t.have) {
        t.fail(Errc::format, "the server sends more than the " + std::to_string(t.bytes) + " bytes expected");
        return 0;
    }
    for (std::size_t done = 0; done < count;) {
        const ssize_t wrote = ::write(t.file, data + done, count - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
            t.error = system_error("the partial file cannot be written");
            return 0;
        }
        done += static_cast<std::size_t>(wrote);
        t.have += wrote;
    }
    return count;
}

// "Content-Range: bytes 100-199/200". A redirect's headers come through here as well; the last answer counts.
std::size_t on_header(const char* data, std::size_t, std::size_t count, void* user) {
    Transfer& t = *static_cast<Transfer*>(user);
    const std::string_view line(data, count);
    if (line.starts_with("HTTP/")) t.range_start = -1;
    constexpr std::string_view kName = "content-range:";
    if (line.size() > kName.size() && curl_strnequal(line.data(), kName.data(), kName.size())) {
        const std::size_t digits = line.find_first_of("0123456789", kName.size());
        if (digits != std::string_view::npos)
            std::from_chars(line.data() + digits, line.data() + line.size(), t.range_start);
    }
    return count;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    Transfer& t = *static_cast<Transfer*>(user);
    if (!*t.progress || (*t.progress)(t.have, t.bytes)) return 0;
    t.fail(Errc::cancelled, "stopped; what is there is kept");
    return 1;
}

// Opens every socket of a transfer that may only talk to this machine.
curl_socket_t on_open_socket(void* user, curlsocktype, curl_sockaddr* address) {
    Transfer& t = *static_cast<Transfer*>(user);
    bool local = false;
    if (address->family == AF_INET) {
        const auto* ip4 = reinterpret_cast<const sockaddr_in*>(&address->addr);
        local = ntohl(ip4->sin_addr.s_addr) >> 24 == 127;
    } else if (address->family == AF_INET6) {
        const auto* ip6 = reinterpret_cast<const sockaddr_in6*>(&address->addr);
        local = IN6_IS_ADDR_LOOPBACK(&ip6->sin6_addr);
    }
    if (!local) {
        t.fail(Errc::network, *t.address + ": redirected from this machine to another one; refused");
        return CURL_SOCKET_BAD;
    }
    return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

std::string host_of(const std::string& address) {
    const std::size_t begin = address.find("://");
    if (begin == std::string::npos) return address;
    return address.substr(begin + 3, address.find('/', begin + 3) - begin - 3);
}

Error describe(CURLcode code, const Transfer& t, const Download& what, const char* detail) {
    const std::string host = host_of(what.address);
    const std::string why = *detail ? detail : curl_easy_strerror(code);
    switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_RESOLVE_PROXY: case CURLE_COULDNT_CONNECT:
            return {Errc::network, host + " cannot be reached; is this machine offline? (" + why + ")"};
        case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_CONNECT_ERROR: case CURLE_SSL_CACERT_BADFILE:
            return {Errc::network, "no secure connection to " + host + " (" + why +
                                       "); SSL_CERT_FILE or SSL_CERT_DIR can name the certificates to trust"};
        case CURLE_UNSUPPORTED_PROTOCOL:
            return {Errc::network, host + " redirects to an address that is not " + (what.address.starts_with("http://") ? "http" : "https")};
        case CURLE_TOO_MANY_REDIRECTS:
            return {Errc::network, host + " redirects more than " + std::to_string(kMostRedirects) + " times"};
        default:
            return {Errc::network, "the connection to " + host + " broke after " + std::to_string(t.have) + " of " +
                                       std::to_string(t.bytes) + " bytes; pull again to continue (" + why + ")"};
    }
}

void set_certificates(CURL* curl) {
    const curl_version_info_data* const version = curl_version_info(CURLVERSION_NOW);
    const bool told = version->age >= CURLVERSION_SEVENTH && version->cainfo;
    const Certificates places = find_certificates(told ? version->cainfo : "");
    if (!places.file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, places.file.c_str());
    if (!places.folder.empty()) curl_easy_setopt(curl, CURLOPT_CAPATH, places.folder.c_str());
}

void set_options(CURL* curl, Transfer& t, const Download& what, const std::string& range, char* detail) {
    const bool local = what.address.starts_with("http://");
    curl_easy_setopt(curl, CURLOPT_URL, what.address.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, local ? "http" : "https");
    curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, local ? "http" : "https");
    if (local) {
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
        curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, &t);
    }
    set_certificates(curl);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, kMostRedirects);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "enlarge");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kStallSeconds);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &t);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &t);
    if (!range.empty()) curl_easy_setopt(curl, CURLOPT_RANGE, range.c_str());
}

}  // namespace

Result<void> download(const Download& what, const PullProgress& progress) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });

    const File file(::open(what.part.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (file.get() < 0) return system_error(what.part.string() + " cannot be written");
    struct stat info {};
    if (::fstat(file.get(), &info) != 0) return system_error(what.part.string() + " cannot be read");
    Transfer t;
    t.file = file.get();
    t.bytes = what.bytes;
    t.address = &what.address;
    t.progress = &progress;
    t.have = info.st_size <= what.bytes ? info.st_size : 0;
    if (t.have == what.bytes) return {};
    if (::ftruncate(file.get(), t.have) != 0 || ::lseek(file.get(), t.have, SEEK_SET) < 0)
        return system_error(what.part.string() + " cannot be continued");
    std::error_code error;
    const std::filesystem::space_info disk = std::filesystem::space(what.part.parent_path(), error);
    if (!error && disk.available < static_cast<std::uintmax_t>(t.bytes - t.have))
        return Error{Errc::io, "not enough space for " + std::to_string(t.bytes - t.have) + " more bytes in " +
                                   what.part.parent_path().string()};

    const NoBrokenPipe quiet;  // before `curl`: closing the connection writes, too
    const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
    ENSURE(curl);
    t.curl = curl.get();
    t.asked_from = t.have;
    char detail[CURL_ERROR_SIZE] = "";
    const std::string range = t.asked_from > 0 ? std::to_string(t.asked_from) + "-" : "";
    set_options(curl.get(), t, what, range, detail);
    const CURLcode code = curl_easy_perform(curl.get());
    if (t.error) return std::move(*t.error);
    if (code != CURLE_OK) return describe(code, t, what, detail);
    if (!t.accepted && !accept_answer(t)) return std::move(*t.error);  // an answer without a body
    if (t.have != t.bytes)
        return Error{Errc::network, "the server stopped after " + std::to_string(t.have) + " of " + std::to_string(t.bytes) +
                                        " bytes; pull again to continue"};
    if (progress && !progress(t.have, t.bytes)) return Error{Errc::cancelled, "stopped; what is there is kept"};
    return {};
}

}  // namespace enlarge::zoo
