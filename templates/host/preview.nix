# What every preview has, beside what its repository asks for.
{
  time.timeZone = "UTC";
}
