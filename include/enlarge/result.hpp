// SPDX-License-Identifier: Apache-2.0
// Errors as values. Every call that can fail because of a file, an option, a device or a peer returns Result<T>.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace enlarge {

// What kind of failure it is. The message says the rest. `exit_code` in the command line maps each to a number.
enum class Errc {
    internal,     // a bug of ours
    argument,     // an option that cannot be meant
    not_found,    // a file, model, device or stream that is not there
    io,           // reading or writing failed: permission, full disk, broken pipe
    exists,       // the output is there already and may not be overwritten
    format,       // a file that is damaged or is not what it claims to be
    unsupported,  // understood, and not something we do
    limit,        // larger than Limits allow, or than the output format can hold
    memory,       // not enough memory
    device,       // a device is missing, too old or failed
    network,      // a download or a live stream failed
    numeric,      // the network produced NaN or infinity in full precision
    cancelled,    // stopped by the caller
};

// One failure, readable as a sentence: what was found, and what was expected.
struct Error {
    Errc code = Errc::internal;
    std::string message;

    // Adds the name of what was being read, once, by the layer that knows it: "photo.png: truncated after 812 bytes".
    [[nodiscard]] Error within(const std::string& name) && {
        return {code, name + ": " + message};
    }
};

// Either a T or an Error. `value()` and `error()` may be called only on the side that holds.
template <class T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & { return *std::get_if<0>(&state_); }
    const T& value() const& { return *std::get_if<0>(&state_); }
    T&& value() && { return std::move(*std::get_if<0>(&state_)); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }

    Error& error() & { return *std::get_if<1>(&state_); }
    const Error& error() const& { return *std::get_if<1>(&state_); }
    Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

private:
    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)) {}

    [[nodiscard]] bool ok() const { return !error_; }
    explicit operator bool() const { return ok(); }
    Error& error() & { return *error_; }
    const Error& error() const& { return *error_; }
    Error&& error() && { return std::move(*error_); }
    void value() const {}

private:
    std::optional<Error> error_;
};

}  // namespace enlarge
