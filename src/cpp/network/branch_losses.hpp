// Losses of the branches, FCN's: beside the loss L of the logits that predict there are L_C, of the
// cross part alone, and L_D, of the deep part alone. What is minimised is
// L + max(0, L_C - L) L_C + max(0, L_D - L) L_D, of means over a batch.
#pragma once

#include <algorithm>

namespace dcn {

struct BranchLosses {
  double both = 0, cross = 0, deep = 0;

  double total() const noexcept { return both + weight(cross) * cross + weight(deep) * deep; }
  // How the total moves with each of them: the weights are a part of it.
  BranchLosses slopes() const noexcept {
    return {1 - of_both(cross) - of_both(deep), of_own(cross), of_own(deep)};
  }

 private:
  double weight(double loss) const noexcept { return std::max(0.0, loss - both); }
  double of_both(double loss) const noexcept { return loss > both ? loss : 0; }
  double of_own(double loss) const noexcept { return loss > both ? 2 * loss - both : 0; }
};

}  // namespace dcn
