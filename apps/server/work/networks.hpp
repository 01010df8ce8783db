// SPDX-License-Identifier: Apache-2.0
// Compiled networks, the last few that were used.
#pragma once

#include <list>
#include <string>

#include "enlarge/engine.hpp"
#include "work/messages.hpp"
#include "work/options.hpp"

namespace serve {

struct Network {
    std::string key;
    std::string model;  // its name
    enlarge::Engine engine;
    enlarge::Engine::Session session;
};

class Networks {
public:
    Networks(std::string device, int threads) : device_(std::move(device)), threads_(threads) {}

    // For an enlargement by `factor` (0: the network's own). Valid until the next call.
    enlarge::Result<Network*> get(const Options& options, enlarge::Use use, double factor, const Work& work);

private:
    std::string device_;
    int threads_;
    std::list<Network> networks_;  // the last used first
};

}  // namespace serve
