// SPDX-License-Identifier: GPL-2.0-or-later
// A place in the catalogue for an image that is being made.
#pragma once

#include <filesystem>
#include <string>

#include "plugins/config/config.h"
#include "plugins/os/fd.h"

namespace holon::image {

// Holds the image's lock and an empty hidden folder beside the place where it will appear.
// Destroyed without commit(), nothing of it stays. A folder left by a build that was killed is
// swept away by the next one.
class Slot {
  public:
    // Chooses the first entry of config.images.path that can be written to. Throws where there is
    // none, or where somebody else is making or removing the same image.
    Slot(const config::Config& config, const std::string& name);
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot();

    const std::string& name() const { return name_; }
    const std::filesystem::path& folder() const { return folder_; }

    // Checks that the folder is a good image, syncs it, and puts it in its place in one step.
    void commit();
    // Takes the image of this name out of the catalogue in one step. False where there was none.
    bool withdraw();

  private:
    std::string name_;
    std::filesystem::path place_, folder_;
    os::Fd lock_;
};

}  // namespace holon::image
