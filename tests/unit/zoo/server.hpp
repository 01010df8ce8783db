// SPDX-License-Identifier: Apache-2.0
// An HTTP server on this machine that answers as a test tells it to.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace enlarge::test {

struct Request {
    std::string path;
    std::string range;  // "bytes=100-", or empty
    [[nodiscard]] long from() const { return range.empty() ? 0 : std::atol(range.c_str() + 6); }
};

// Gives the whole answer, status line and headers included; the connection closes after it.
using Handler = std::function<std::string(const Request&)>;

inline std::string answer(const std::string& status, const std::string& body, const std::string& headers = "") {
    return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n" + headers + "\r\n" + body;
}

class Server {
public:
    explicit Server(Handler handler) : handler_(std::move(handler)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof(address);
        if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener_, 16) != 0) std::abort();
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { loop(); });
    }
    ~Server() { stop(); }
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    // From now on connections are refused.
    void stop() {
        if (listener_ < 0) return;
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
        listener_ = -1;
    }
    [[nodiscard]] std::string address(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
    [[nodiscard]] std::vector<Request> requests() const {
        const std::lock_guard lock(mutex_);
        return requests_;
    }

private:
    void loop() {
        for (;;) {
            const int connection = ::accept(listener_, nullptr, nullptr);
            if (connection < 0) return;
            serve(connection);
            ::close(connection);
        }
    }
    void serve(int connection) {
        std::string text;
        char buffer[4096];
        while (text.find("\r\n\r\n") == std::string::npos) {
            const ssize_t got = ::recv(connection, buffer, sizeof(buffer), 0);
            if (got <= 0) return;
            text.append(buffer, static_cast<std::size_t>(got));
        }
        Request request;
        const std::size_t begin = text.find(' ') + 1;
        request.path = text.substr(begin, text.find(' ', begin) - begin);
        if (const std::size_t range = text.find("Range: "); range != std::string::npos)
            request.range = text.substr(range + 7, text.find('\r', range) - range - 7);
        {
            const std::lock_guard lock(mutex_);
            requests_.push_back(request);
        }
        const std::string reply = handler_(request);
        for (std::size_t done = 0; done < reply.size();) {
            const ssize_t sent = ::send(connection, reply.data() + done, reply.size() - done, MSG_NOSIGNAL);
            if (sent <= 0) return;
            done += static_cast<std::size_t>(sent);
        }
    }

    Handler handler_;
    int listener_;
    int port_ = 0;
    mutable std::mutex mutex_;
    std::vector<Request> requests_;
    std::thread thread_;
};

}  // namespace enlarge::test
