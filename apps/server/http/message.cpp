// SPDX-License-Identifier: Apache-2.0
#include "http/message.hpp"

#include <unistd.h>

#include "work/messages.hpp"

namespace serve {

std::string dumped(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

Response json_response(int status, const json& value) {
    Response response{.status = status, .body = dumped(value) + "\n"};
    return response.with("Content-Type", "application/json");
}

Response error_response(int status, const std::string& code, const std::string& message) {
    Response response = json_response(status, {{"error", {{"code", code}, {"message", message}}}});
    if (status == 429 || status == 503) response.with("Retry-After", "5");
    return response;
}

int status_of(enlarge::Errc code) {
    using enum enlarge::Errc;
    switch (code) {
        case argument:
            return 400;
        case not_found:
            return 404;
        case exists:
            return 409;
        case format:
            return 422;
        case unsupported:
            return 415;
        case limit:
            return 413;
        case memory:
            return 413;
        case numeric:
            return 422;
        case cancelled:
            return 408;
        case device:
            return 503;
        case internal:
        case io:
        case network:
            return 500;
    }
    return 500;
}

Response error_response(const enlarge::Error& error) {
    return error_response(status_of(error.code), errc_name(error.code), error.message);
}

void Later::fulfil(Response response) {
    const std::lock_guard lock(mutex_);
    if (response_) {
        if (response.fd >= 0) ::close(response.fd);
        return;
    }
    response_ = std::move(response);
    if (ready_) ready_();
}

}  // namespace serve
