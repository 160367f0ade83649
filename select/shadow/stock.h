// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holon::shadow {

// An operation of the plugin interface, and where the stock plugin's function for it was found.
// Each one that an ABI file forwards registers itself.
struct Operation {
    Operation(const char* symbol, void** function);
    const char* symbol;
    void** function;
};

// The select_cons_tres.so that came with Slurm, which does the work: Holon's has its name and lies
// before it in PluginDir. Loaded by its absolute path and locally, so that neither takes the
// other's symbols; refused unless it is of this very release.
class Stock {
  public:
    // PLUGIN_DIR as in slurm.conf. Throws holon::Error with one line.
    static void load(std::string_view plugin_dir, std::uint32_t release);
    // Lets it clean up; its code stays.
    static void unload();
};

// The first select_cons_tres.so in the folders of PLUGIN_DIR that is not the file OWN. Throws.
std::string find_stock(std::string_view plugin_dir, const std::string& own);

}  // namespace holon::shadow
