// SPDX-License-Identifier: Apache-2.0
// Requests and answers, without sockets.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "enlarge/result.hpp"
#include "http/text.hpp"

namespace serve {

using json = nlohmann::json;

struct Request {
    std::string method, path;                                 // "/v1/jobs/a": decoded, without prefix
    Params query;                                             // and the fields of a form
    std::map<std::string, std::string, std::less<>> headers;  // names in lower case
    std::map<std::string, std::string, std::less<>> parts;    // of the route: {"id", "a"}
    // The body. Of routes that take it as a file: where it lies; the handler may rename it, what stays is deleted.
    std::string body, file, file_name;
    std::int64_t body_bytes = 0;

    [[nodiscard]] std::string header(std::string_view name) const {
        const auto found = headers.find(name);
        return found == headers.end() ? std::string() : found->second;
    }
    [[nodiscard]] std::string part(std::string_view name) const {
        const auto found = parts.find(name);
        return found == parts.end() ? std::string() : found->second;
    }
    [[nodiscard]] std::string parameter(std::string_view name) const {
        for (const auto& [key, value] : query)
            if (key == name) return value;
        return {};
    }
};

// Lines for a client that stays: server-sent events. `next` gives what there is since the last call, "" for nothing
// yet; nothing at all ends the stream. Made by whoever answers; `wake` is set by the server and may be called by any
// thread.
class Feed {
public:
    virtual ~Feed() = default;
    virtual std::optional<std::string> next() = 0;
    void set_wake(std::function<void()> wake) {
        const std::lock_guard lock(mutex_);
        wake_ = std::move(wake);
    }
    void wake() {
        const std::lock_guard lock(mutex_);
        if (wake_) wake_();
    }
    std::atomic<bool> ended = false;  // set by the server when the client is gone

private:
    std::mutex mutex_;
    std::function<void()> wake_;
};

// An answer's body that is made as it is read.
class Bytes {
public:
    virtual ~Bytes() = default;
    [[nodiscard]] virtual std::int64_t size() const = 0;
    // At least one byte from `position` on, which is below size(); how many. -1 where they cannot be had.
    virtual std::ptrdiff_t read(std::int64_t position, char* buffer, std::size_t most) = 0;
};

struct Response {
    int status = 200;
    Params headers;
    std::string body;
    std::string_view fixed;  // instead of body: bytes that outlive the server
    int fd = -1;             // instead of body: owned, closed by the server; `count` bytes from `first`
    std::int64_t first = 0, count = 0;
    std::shared_ptr<Bytes> bytes;  // instead of body: `count` of them from `first`
    std::shared_ptr<Feed> feed;    // instead of body

    Response& with(std::string name, std::string value) {
        headers.emplace_back(std::move(name), std::move(value));
        return *this;
    }
};

Response json_response(int status, const json& value);
// {"error": {"code": "limit", "message": "..."}}
Response error_response(int status, const std::string& code, const std::string& message);
Response error_response(const enlarge::Error& error);
int status_of(enlarge::Errc code);
// JSON as text, whatever bytes are in it.
std::string dumped(const json& value);

// An answer that comes later, from any thread. What is fulfilled first holds.
class Later {
public:
    void fulfil(Response response);
    // The client is not there any more: what makes the answer may stop.
    std::function<void()> gone;

private:
    friend class Exchange;
    std::mutex mutex_;
    std::optional<Response> response_;
    std::function<void()> ready_;
};

struct Answer {
    Response response;
    std::shared_ptr<Later> later;  // instead of it
    Answer(Response r) : response(std::move(r)) {}
    Answer(std::shared_ptr<Later> l) : later(std::move(l)) {}
};

// Where the bytes of a body go as they come, of routes that want them so.
class Sink {
public:
    virtual ~Sink() = default;
    virtual enlarge::Result<void> take(std::string_view bytes) = 0;
    // After the last byte, or when the connection was lost (`whole` false: nobody hears the answer).
    virtual Response finish(bool whole) = 0;
};

}  // namespace serve
