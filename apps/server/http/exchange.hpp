// SPDX-License-Identifier: Apache-2.0
// One request on its way through libmicrohttpd. For http/ alone.
#pragma once

#include <microhttpd.h>

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "http/server.hpp"

namespace serve {

// A connection as the watch sees it.
struct Connection {
    int fd = -1;
    enum class Phase { head, busy, waiting } phase = Phase::head;  // waiting: for us, so nothing is asked of the client
    std::int64_t since_ms = 0;                                     // of the phase
    std::int64_t mark_ms = 0;                                      // beginning of the window of rates
    std::uint64_t mark_bytes = 0;                                  // received and acknowledged then
    std::weak_ptr<Later> later;                                    // of waiting
    std::weak_ptr<Feed> feed;
    bool first = true;  // no request was answered yet
};

struct HttpServer::State {
    HttpOptions options;
    std::vector<Route> routes;
    MHD_Daemon* daemon = nullptr;
    std::atomic<bool> stopping = false;
    std::atomic<std::int64_t> text_bytes = 0;  // of bodies in memory now

    mutable std::mutex mutex;  // of what follows
    std::condition_variable stopped;
    std::map<MHD_Connection*, Connection> connections;
    Counts counts;
    std::thread watch;
    bool watch_ends = false;

    void count(const char* route, int status);
    void phase(MHD_Connection* connection, Connection::Phase phase);
    // The connection waits for that, and nothing is asked of its client meanwhile.
    void wait_for(MHD_Connection* connection, const std::shared_ptr<Later>& later);
    void wait_for(MHD_Connection* connection, const std::shared_ptr<Feed>& feed);
};

// Looks at all connections twice a second: cuts off the slow, tells what waits for a client that is gone.
void watch_connections(HttpServer::State& state);

// The handler's view of a request: checks, body, answer.
class Exchange {
public:
    Exchange(HttpServer::State& state, MHD_Connection* connection, const char* url);
    ~Exchange();
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    // As MHD_AccessHandlerCallback goes on: head, body piece by piece, end.
    MHD_Result head(const char* method);
    MHD_Result body(const char* data, std::size_t* size);
    MHD_Result end();
    void lost();  // the connection ended before the body was whole
    [[nodiscard]] bool begun() const { return begun_; }
    MHD_Result form_part(const char* key, const char* file_name, const char* data, std::uint64_t offset,
                         std::size_t size);

private:
    MHD_Result refuse(Response response);
    MHD_Result answer(Response response);
    MHD_Result send(Answer answer);
    [[nodiscard]] bool find_route(const std::string& path, Response& response);
    [[nodiscard]] bool allowed(Response& response);
    [[nodiscard]] bool body_allowed(Response& response);
    void store(const char* data, std::size_t size);
    [[nodiscard]] std::int64_t most() const;

    HttpServer::State& state_;
    MHD_Connection* connection_;
    Request request_;
    const Route* route_ = nullptr;
    std::optional<Response> refusal_;  // instead of the handler's answer, once the rest of the body has come
    std::string url_;
    std::int64_t declared_ = -1, taken_ = 0, held_ = 0;
    std::size_t held_field_bytes_ = 0;
    bool begun_ = false, answered_ = false;
    int file_ = -1;
    MHD_PostProcessor* form_ = nullptr;
    bool in_file_ = false, saw_file_ = false;
    std::unique_ptr<Sink> sink_;
    std::shared_ptr<Later> later_;
};

}  // namespace serve
