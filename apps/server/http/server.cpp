// SPDX-License-Identifier: Apache-2.0
#include "http/server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "http/exchange.hpp"

namespace serve {
namespace {

using enlarge::Errc;
using enlarge::Error;
using enlarge::Result;

constexpr unsigned kThreads = 4;  // that read and answer; what takes long is not theirs
constexpr unsigned kIdle_s = 60;  // between requests on one connection
constexpr std::size_t kHeadBytes = 64 << 10;

std::int64_t now_ms() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

void* on_address(void* state, const char* url, MHD_Connection* connection) {
    return new Exchange(*static_cast<HttpServer::State*>(state), connection, url);
}

MHD_Result on_request(void*, MHD_Connection*, const char*, const char* method, const char*, const char* data,
                      std::size_t* size, void** context) {
    auto& exchange = *static_cast<Exchange*>(*context);
    if (!exchange.begun()) return exchange.head(method);
    return *size > 0 ? exchange.body(data, size) : exchange.end();
}

void on_completed(void* held, MHD_Connection* connection, void** context, MHD_RequestTerminationCode) {
    auto* exchange = static_cast<Exchange*>(*context);
    if (!exchange) return;
    exchange->lost();
    delete exchange;
    *context = nullptr;
    static_cast<HttpServer::State*>(held)->phase(connection, Connection::Phase::head);
}

void on_connection(void* held, MHD_Connection* connection, void**, MHD_ConnectionNotificationCode what) {
    auto& state = *static_cast<HttpServer::State*>(held);
    const std::lock_guard lock(state.mutex);
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) return void(state.connections.erase(connection));
    ++state.counts.connections;
    Connection one;
    one.fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    one.since_ms = now_ms();
    state.connections[connection] = one;
}

Result<int> listening_socket(const HttpOptions& options) {
    sockaddr_in v4{};
    sockaddr_in6 v6{};
    const auto port = htons(static_cast<std::uint16_t>(options.port));
    const bool six = inet_pton(AF_INET6, options.address.c_str(), &v6.sin6_addr) == 1;
    if (!six && inet_pton(AF_INET, options.address.c_str(), &v4.sin_addr) != 1)
        return Error{Errc::argument, "'" + options.address + "' is no address in figures, such as 127.0.0.1 or ::1"};
    v4.sin_family = AF_INET;
    v4.sin_port = port;
    v6.sin6_family = AF_INET6;
    v6.sin6_port = port;
    const int fd = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const auto* address = six ? reinterpret_cast<const sockaddr*>(&v6) : reinterpret_cast<const sockaddr*>(&v4);
    const socklen_t length = six ? sizeof v6 : sizeof v4;
    if (fd >= 0 && ::bind(fd, address, length) == 0 && ::listen(fd, 1024) == 0) return fd;
    const std::string reason = std::strerror(errno);
    if (fd >= 0) ::close(fd);
    return Error{Errc::io, "cannot listen at " + options.address + ", port " + std::to_string(options.port) + ": " +
                               reason + (errno == EADDRINUSE ? "; --port takes another" : "")};
}

}  // namespace

void HttpServer::State::count(const char* route, int status) {
    const std::lock_guard lock(mutex);
    ++counts.answers[{route, status}];
}

void HttpServer::State::phase(MHD_Connection* connection, Connection::Phase phase) {
    const std::lock_guard lock(mutex);
    const auto found = connections.find(connection);
    if (found == connections.end()) return;
    Connection& one = found->second;
    if (one.phase == Connection::Phase::busy && phase == Connection::Phase::head) one.first = false;
    one.phase = phase;
    one.since_ms = now_ms();
    one.mark_ms = 0;
    one.later.reset();
    one.feed.reset();
}

void HttpServer::State::wait_for(MHD_Connection* connection, const std::shared_ptr<Later>& later) {
    phase(connection, Connection::Phase::waiting);
    const std::lock_guard lock(mutex);
    if (const auto found = connections.find(connection); found != connections.end()) found->second.later = later;
}

void HttpServer::State::wait_for(MHD_Connection* connection, const std::shared_ptr<Feed>& feed) {
    phase(connection, Connection::Phase::waiting);
    const std::lock_guard lock(mutex);
    if (const auto found = connections.find(connection); found != connections.end()) found->second.feed = feed;
}

HttpServer::HttpServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpOptions& options, std::vector<Route> routes) {
    const auto listening = listening_socket(options);
    if (!listening) return listening.error();
    auto state = std::make_unique<State>();
    state->options = options;
    state->routes = std::move(routes);
    const bool six = options.address.find(':') != std::string::npos;
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                           static_cast<unsigned>(six ? MHD_USE_IPv6 : MHD_NO_FLAG);
    state->daemon = MHD_start_daemon(
        flags, 0, nullptr, nullptr, on_request, state.get(), MHD_OPTION_LISTEN_SOCKET, *listening,
        MHD_OPTION_THREAD_POOL_SIZE, kThreads, MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(options.connections),
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, kHeadBytes, MHD_OPTION_CONNECTION_TIMEOUT, kIdle_s,
        MHD_OPTION_URI_LOG_CALLBACK, on_address, state.get(), MHD_OPTION_NOTIFY_COMPLETED, on_completed, state.get(),
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, state.get(), MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!state->daemon) {
        ::close(*listening);
        return Error{Errc::internal, "the HTTP library did not start"};
    }
    state->watch = std::thread([&state = *state] { watch_connections(state); });
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(state)));
}

int HttpServer::port() const {
    const auto* info = MHD_get_daemon_info(state_->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (info && info->port) return info->port;
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    const auto* listening = MHD_get_daemon_info(state_->daemon, MHD_DAEMON_INFO_LISTEN_FD);
    if (!listening || ::getsockname(listening->listen_fd, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        return 0;
    return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                               : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

void HttpServer::stop() {
    if (!state_->daemon) return;
    state_->stopping = true;
    std::vector<std::shared_ptr<Later>> laters;
    std::vector<std::shared_ptr<Feed>> feeds;
    {
        const std::lock_guard lock(state_->mutex);
        state_->watch_ends = true;
        state_->stopped.notify_all();
        for (const auto& [connection, one] : state_->connections) {
            laters.push_back(one.later.lock());
            feeds.push_back(one.feed.lock());
        }
    }
    for (const auto& later : laters)
        if (later) later->fulfil(error_response(503, "stopping", "the server is being stopped"));
    for (const auto& feed : feeds)
        if (feed) feed->wake();
    state_->watch.join();
    MHD_stop_daemon(state_->daemon);
    state_->daemon = nullptr;
}

HttpServer::~HttpServer() { stop(); }

HttpServer::Counts HttpServer::counts() const {
    const std::lock_guard lock(state_->mutex);
    return state_->counts;
}

}  // namespace serve
