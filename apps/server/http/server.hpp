// SPDX-License-Identifier: Apache-2.0
// HTTP/1.1 over libmicrohttpd: routes, checks before any body is taken, bodies in files, limits on patience.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "http/message.hpp"

namespace serve {

struct HttpOptions {
    std::string address = "127.0.0.1";
    int port = 4848;                    // 0: a free one
    std::string token;                  // empty: none is asked for
    std::vector<std::string> names;     // that this server may be called by, besides addresses and localhost
    std::string prefix;                 // "/enlarge": taken off paths
    std::string folder;                 // for bodies while they come
    std::int64_t body_bytes = 0;        // of bodies that become files
    std::int64_t text_bytes = 1 << 20;  // of bodies in memory
    std::int64_t big_text_bytes = 0;    // of bodies in memory of routes that carry pictures in JSON
    std::int64_t memory_bytes = 0;      // of all bodies in memory together
    int connections = 512;
    // Failures in the words of other protocols: gets the path and what would be answered.
    std::function<void(const std::string& path, Response& failure)> reword;
    // Patience, in seconds: for a request's head, and for 1 KiB of body or answer a second on average.
    int head_s = 20, rate_window_s = 30;
};

enum class Body { none, text, big_text, file, sink };

struct Route {
    const char* method;
    const char* pattern;  // "/v1/jobs/{id}/output"
    Body body = Body::none;
    bool open = false;  // needs no token
    std::function<Answer(Request&)> handle;
    // Of Body::sink: before the first byte. A null pointer answers with what it put into the Response.
    std::function<std::unique_ptr<Sink>(Request&, Response&)> begin;
};

class HttpServer {
public:
    // Starts to listen. Errc::io with a sentence.
    static enlarge::Result<std::unique_ptr<HttpServer>> start(const HttpOptions& options, std::vector<Route> routes);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    [[nodiscard]] int port() const;
    // No more connections; answers that are waited for become 503. The destructor does the same.
    void stop();

    struct Counts {
        std::int64_t connections = 0, refused = 0, cut = 0, bytes_in = 0, bytes_out = 0;
        std::map<std::pair<std::string, int>, std::int64_t> answers;  // route and status
    };
    [[nodiscard]] Counts counts() const;

    struct State;

private:
    explicit HttpServer(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace serve
