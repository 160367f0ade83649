// SPDX-License-Identifier: GPL-2.0-or-later
// What the entry points of every release have in common.
#pragma once

#include "select/shadow/shadow.h"
#include "select/shadow/stock.h"

SLURM_ENTRY const char plugin_name[];
SLURM_ENTRY const char plugin_type[];
SLURM_ENTRY const std::uint32_t plugin_id;
SLURM_ENTRY const std::uint32_t plugin_version;
const char plugin_name[] = "Holon " HOLON_VERSION ": VM jobs are placed, all else is Slurm's own";
const char plugin_type[] = "select/cons_tres";
const std::uint32_t plugin_id = SELECT_PLUGIN_CONS_TRES;
const std::uint32_t plugin_version = SLURM_VERSION_NUMBER;

SLURM_ENTRY int init(void);
SLURM_ENTRY int fini(void);
int init(void) { return holon::shadow::start(); }
int fini(void) {
    holon::shadow::stop();
    return SLURM_SUCCESS;
}

// STOCK(name) declares stock_NAME, the stock plugin's function, filled by Stock::load(). The type
// is that of the declaration before it, so an entry point and what it forwards to cannot differ.
#define STOCK(name)                                         \
    static decltype(&name) stock_##name;                    \
    static const holon::shadow::Operation operation_##name( \
        #name, reinterpret_cast<void**>(&stock_##name));

// An entry point that only forwards.
#define FORWARD(result, name, parameters, arguments) \
    SLURM_ENTRY result name parameters;              \
    STOCK(name)                                      \
    result name parameters { return stock_##name arguments; }

// One that forwards, then tells the shadow; all of these return an int.
#define FORWARD_AND(name, parameters, arguments, tell) \
    SLURM_ENTRY int name parameters;                   \
    STOCK(name)                                        \
    int name parameters {                              \
        const int rc = stock_##name arguments;         \
        holon::shadow::tell;                           \
        return rc;                                     \
    }
