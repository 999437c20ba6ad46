"""What price feeds and data feeds share: exact decimals, aggregation, intervals, readers' demands.

Everything here is pure. A price is an integer of a fixed fraction inside (`decimals`), so that
anybody gets the same result from the same observations; binary fractions are nowhere.
"""
